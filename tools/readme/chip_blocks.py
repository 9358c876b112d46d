"""What fills the tables of docs/chip-time.md, docs/placement.md and docs/energy.md: docs/chip.json,
which ``chip_figures.py`` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spiketrack.commands.views.markdown import table
from spiketrack.energy.prices import DEFAULT, load_prices
from spiketrack.terminal.amounts import amount, joules, percent, seconds

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SHEET = DOCS / "chip.json"
TIME, PLACEMENT, ENERGY = (DOCS / name for name in ("chip-time.md", "placement.md", "energy.md"))
LEVELS = ("low", "central", "high")


def measured_on_chips() -> dict[str, Any]:
    """What ``chip_figures.py`` wrote."""
    document: dict[str, Any] = json.loads(SHEET.read_text("utf-8"))
    return document


def chip_blocks() -> dict[tuple[Path, str], str]:
    """File and name of every block → its text."""
    sheet = measured_on_chips()
    recorded, totals = sheet["frame"]["full"], sheet["frame"]["totals"]
    return {
        (TIME, "latency"): latency(sheet["variants"]),
        (TIME, "waiting"): waiting(sheet["variants"]),
        (TIME, "spikes"): spikes(sheet["spikes"]),
        (TIME, "trade"): trade(sheet["variants"]),
        (TIME, "seconds"): frame_time(recorded),
        (TIME, "others"): others(sheet["others"]),
        (PLACEMENT, "published"): published(sheet["variants"]),
        (PLACEMENT, "optimised"): optimised(sheet["optimised"]),
        (ENERGY, "whole"): whole(recorded, totals),
    }


# what shapes decide


def latency(variants: Mapping[str, Any]) -> str:
    """Time steps of the search branch, pipelined."""
    head = ("network, search branch", "latency", "interval", "frames in flight")
    keys = head[1:3]
    rows = [
        (name, *(f"{row[key]:,}" for key in keys), row["frames_in_flight"])
        for name, row in variants.items()
    ]
    return table(head, rows)


def waiting(variants: Mapping[str, Any]) -> str:
    """Relays that keep time in the bundled network."""
    nano = variants["nano"]
    layers, neurons = nano["waiting"]
    alone = nano["waiting_alone"][0] or "none"
    return (
        f"The pipelined nano needs {layers} relay layers, {neurons:,} neurons or "
        f"{percent(neurons / nano['neurons'])} of all; fall-through needs {alone}.\n"
    )


def trade(variants: Mapping[str, Any]) -> str:
    """Those that no other beats in steps and neurons, and what ``auto`` takes."""
    head = ("network", "tiles", "latency", "interval", "neurons", "more", "neurons × steps")
    rows: list[tuple[str, ...]] = []
    for name, variant in variants.items():
        every = variant.get("trade", [])
        for row in every:
            if row["auto"] or not any(beats(other, row) for other in every):
                rows.append(
                    (
                        "" if rows and any(name in r[0] for r in rows) else name,
                        *traded(row, every[0]),
                    )
                )
    return table(head, rows)


def beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Fewer steps for no more neurons, or as many for fewer."""
    here, there = ((row["latency"], row["neurons"]) for row in (one, other))
    return here != there and here[0] <= there[0] and here[1] <= there[1]


def traded(row: Mapping[str, Any], plain: Mapping[str, Any]) -> tuple[str, ...]:
    """Cells of one number of copies."""
    more = row["neurons"] / plain["neurons"] - 1
    mark = "**" if row["auto"] else ""
    return (
        f"{mark}{row['tiles']}{' (auto)' if row['auto'] else ''}{mark}",
        f"{mark}{row['latency']:,}{mark}",
        f"{row['interval']:,}",
        f"{row['neurons']:,}",
        percent(more) if more else "",
        f"{row['neurons'] * row['latency'] / 1e9:,.3g} · 10⁹",
    )


def published(variants: Mapping[str, Any]) -> str:
    """Cores and chips of both branches."""
    head = (
        "network",
        "neurons of populations, search / template",
        "all neurons",
        "cores",
        "lower bound",
        "ratio",
        "chips",
        "every synapse stored by itself, at least",
    )
    rows = [
        (
            name,
            f"{row['search'] / 1e6:.2f} M / {row['template'] / 1e6:.2f} M",
            f"{row['neurons'] / 1e6:.1f} M",
            f"{row['cores']:,}",
            f"{row['lower_bound_cores']:,}",
            f"{row['cores'] / row['lower_bound_cores']:.3f}",
            f"{row['chips']:,}",
            f"{row['unrolled_lower_bound_cores']:,}",
        )
        for name, row in variants.items()
    ]
    return table(head, rows)


# what the bundled network does on the bundled clip


def spikes(rows: list[Mapping[str, Any]]) -> str:
    """Graded and binary spikes, and tiles."""
    head = (
        "",
        "time steps",
        "messages",
        "payload, bits",
        "synaptic operations",
        "updates of neurons",
    )
    keys = ("steps", "messages", "bits", "operations", "updates")
    text = table(head, [(row["spikes"], *(f"{row[key]:,.0f}" for key in keys)) for row in rows])
    graded, binary = rows[:2]
    more = {key: binary[key] / graded[key] - 1 for key in keys}
    prices = load_prices(DEFAULT)
    spent = [
        row["operations"] * (prices.pj("ac") or 0)
        + row["multiplications"] * (prices.pj("mac") or 0)
        for row in (graded, binary)
    ]
    return (
        f"{text}\nBinary against graded: steps {more['steps']:+.0%}, operations "
        f"{more['operations']:+.0%}, payload {more['bits']:+.0%}, updates {more['updates']:+.0%}; "
        f"the energy of operations at `{prices.name}`, modelled, {spent[1] / spent[0] - 1:+.0%}: "
        f"{joules(spent[0])} become {joules(spent[1])}.\n"
    )


def frame_time(found: Mapping[str, Any]) -> str:
    """Both modes and the host; what binds."""
    shown = found["time"]
    rows = [row for mode, part in shown["modes"].items() for row in mode_rows(mode, part)]
    values = amount(shown["host_values"])
    rows.append((f"host sends {values} values", *levels(shown["host_in"])))
    encoding = levels(shown["encoding"])
    rows.append(("a template encoding with the host, fall-through", *encoding))
    text = table(("", *LEVELS), rows)
    return f"{text}\n{''.join(binding(mode, part) for mode, part in shown['modes'].items())}"


def mode_rows(mode: str, part: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Three rows of a mode."""
    yield (f"{mode}: {part['steps']:,} steps", *levels(part["compute"]))
    yield ("with the host, a frame", *levels(part["frame"]))
    rates = part["frames_a_second"]
    yield ("frames a second", *(f"{rates[level]:,.3g}" for level in LEVELS))


def levels(estimate: Mapping[str, float]) -> tuple[str, ...]:
    """Low, central and high as seconds."""
    return tuple(seconds(estimate[level]) for level in LEVELS)


def binding(mode: str, part: Mapping[str, Any]) -> str:
    """What binds a mode, by term, and what skipping neurons at rest would save."""
    terms = []
    for term in sorted(part["terms"], key=lambda term: -term["seconds"]):
        longest = part["longest"].get(term["term"])
        most = f", longest in `{longest['layer']}` on {longest['place']}" if longest else ""
        terms.append(
            f"{term['term']} in {term['steps']:,.0f} steps ({seconds(term['seconds'])}{most})"
        )
    skipped, serviced = seconds(part["skipped"]), seconds(part["serviced"])
    return (
        f"- {mode}, central, binds: {'; '.join(terms)}. Neurons that rest skipped: {skipped}, "
        f"serviced: {serviced}.\n"
    )


def whole(found: Mapping[str, Any], totals: Mapping[str, Any]) -> str:
    """From the operations to the whole frame; what dominates; the same without places."""
    rows = [
        (
            row["part"],
            f"{amount(row['number'])} {row['unit']}".strip(),
            joules(row["low_pj"]) or "0",
            joules(row["high_pj"]) or "0",
            row["kind"],
        )
        for row in found["rows"]
    ]
    sums = ("**a whole frame**", "", *(f"**{joules(found[k])}**" for k in ("low_pj", "high_pj")))
    text = table(("part", "number", "low", "high", "kind of energy"), [*rows, (*sums, "")])
    return f"{text}\n{dominating(found)} {unplaced(found, totals)}\n"


def dominating(found: Mapping[str, Any]) -> str:
    """The largest part, and how long the chips are on."""
    parts = {row["part"]: row for row in found["rows"]}
    first = found["largest"][0]
    low, high = (parts[first][key] / found[key] for key in ("low_pj", "high_pj"))
    on = found["on"]
    return (
        f"{first[0].upper()}{first[1:]} is {percent(low)} of the low and {percent(high)} of the "
        f"high estimate: what decides is how long a frame keeps the {found['chips']} chips on, "
        f"{seconds(on['low'])} to {seconds(on['high'])}."
    )


def unplaced(found: Mapping[str, Any], totals: Mapping[str, Any]) -> str:
    """The figure of README beside this one."""
    return (
        f"`spiketrack run` and README say {joules(totals['low_pj'])} to "
        f"{joules(totals['high_pj'])} of the same {totals['frames']} frames: their run records "
        "totals, and spread evenly over its neurons the same events keep the busiest core "
        f"less busy ({seconds(totals['on']['low'])} in place of {seconds(found['on']['low'])})."
    )


def optimised(rows: list[Mapping[str, Any]]) -> str:
    """What searches gain."""
    head = ("network", "mode", "greedy", "found", "", "placements tried", "cores", "chips")
    return table(head, [searched(row) for row in rows])


def searched(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Cells of one search."""
    pairs = (" → ".join(f"{n:,}" for n in row[key]) for key in ("cores", "chips"))
    return (
        row["network"],
        row["mode"],
        seconds(row["greedy"]),
        seconds(row["best"]),
        f"{row['best'] / row['greedy'] - 1:+.1%}".replace("-", "−"),
        f"{row['attempts']:,}",
        *pairs,
    )


def others(found: Mapping[str, Any]) -> str:
    """What others measured, beside the model."""
    rows = [
        (
            row["system"],
            row["figure"],
            quantity(row["value"], row["unit"]),
            *(quantity(row["modelled"][level], row["unit"]) for level in LEVELS),
            row["source"],
        )
        for row in found["rows"]
    ]
    return table(("system", "figure", "measured", *LEVELS, "printed in"), rows)


def quantity(value: float, unit: str) -> str:
    """Seconds with a unit, rates as they are."""
    return seconds(value) if unit == "s" else f"{value:,.1f}"
