"""Names of foreign files on a page: no markup, and no character that turns or hides words."""

from __future__ import annotations

from spiketrack.pages.markup import fact_block, paragraph, section_block
from spiketrack.pages.page import Page, render
from spiketrack.pages.parts import Fact, Section

NAME = '-a "b" <script>c</script> \'\x1b[31mred\x07\u202e, 4 frames'
SHOWN = "-a &quot;b&quot; &lt;script&gt;c&lt;/script&gt; &#x27;\\x1b[31mred\\x07\\u202e, 4 frames"


def test_texts_show_control_characters_as_escapes() -> None:
    section = Section("clip", NAME, (NAME,))
    page = render(Page(NAME, NAME, NAME, [Fact(NAME, NAME, NAME, "")], [section]))
    assert paragraph(NAME) == f"<p>{SHOWN}</p>"
    assert section_block(section).count(SHOWN) == 2
    assert f"<title>{SHOWN}" in page
    assert not set(page) & {"\x1b", "\x07", "\u202e"}


def test_commands_are_pasted_as_they_are() -> None:
    section = Section("made", "How this was made", (), commands=("spiketrack run 'a\x07b'",))
    assert "a\x07b" in section_block(section)


def test_a_fact_is_escaped() -> None:
    assert SHOWN in fact_block(Fact(NAME, "1", "", ""))
