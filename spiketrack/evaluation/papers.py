"""The table that a paper prints: a row a tracker, the data set's own figures, in per cent."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spiketrack.documents.tracking import FiguresPart
from spiketrack.tracking.figures import mean
from spiketrack.tracking.rules import VISIBLE, Rule, rule_of, rules_said

NAMES = {
    "success_auc": "AUC",
    "precision_20": "P",
    "normalised_precision_20": "P_norm",
    "normalised_precision_auc": "P_norm",
    "ao": "AO",
    "sr50": "SR_0.5",
    "sr75": "SR_0.75",
}
POOLED = ("ao", "sr50", "sr75")  # GOT-10k's toolkit puts the frames of all sequences together
ENERGY, FPS = "mJ/frame", "fps"
WHOLE = ("whole mJ, low", "whole mJ, high")
LEGENDS = {
    ENERGY: "operations of searches and template encodings",
    WHOLE[0]: "all that the chips of the placement spend",
    WHOLE[1]: "the same, high estimate",
}
LATEX = {"P_norm": r"$P_{\mathrm{norm}}$", "SR_0.5": r"$\mathrm{SR}_{0.5}$",
         "SR_0.75": r"$\mathrm{SR}_{0.75}$", "P": "$P$"}  # fmt: skip

SIGNS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class PaperTable:
    """``rows``: a name, its figures in the order of ``columns`` or None; ``said``: the rules.

    ``first``: what the names are; ``across``: the best stands in a row, not in a column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    said: tuple[str, ...]
    first: str = "tracker"
    across: bool = False

    def csv(self) -> str:
        """With all digits."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow((self.first, *self.columns))
        for name, values in self.rows:
            writer.writerow((name, *("" if v is None else repr(v) for v in values)))
        return out.getvalue()

    def latex(self) -> str:
        """A ``tabular`` of booktabs, the best of each column bold, the rules as comments."""
        heads = (LATEX.get(column, _escaped(column)) for column in self.columns)
        lines = [f"% {line}" for line in self.said]
        lines += [rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}", r"\toprule"]
        lines += [" & ".join((self.first, *heads)) + r" \\", r"\midrule"]
        columns = [self._best(i) for i in range(len(self.columns))]
        for name, values in self.rows:
            best = [_most(values)] * len(values) if self.across else columns
            cells = [_latex(v, v is not None and v == b) for v, b in zip(values, best, strict=True)]
            lines.append(" & ".join((_escaped(name), *cells)) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def _best(self, index: int) -> float | None:
        return _most([row[1][index] for row in self.rows], self.columns[index] in (ENERGY, *WHOLE))


def _most(values: Sequence[float | None], least: bool = False) -> float | None:
    """The best of several, None where there is nothing to compare."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    return min(known) if least else max(known)


def _latex(value: float | None, best: bool) -> str:
    if value is None:
        return "--"
    text = f"{value:.3g}" if value < 1 else f"{value:.1f}"
    return rf"\textbf{{{text}}}" if best else text


def _escaped(name: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else SIGNS.get(c, c) for c in name)


def paper_table(trackers: Mapping[str, FiguresPart]) -> PaperTable:
    """The figures that the rule of the data set names; energy and speed where they are known.

    Trackers are ordered by the first figure, the best first.
    """
    layouts = dict.fromkeys(p.layout for t in trackers.values() for p in t.sequences.values())
    rules: list[Rule] = [rule_of(layout) for layout in layouts] or [VISIBLE]
    figures = rules[0].headline if len(rules) == 1 else VISIBLE.headline
    rows = [(name, _row(part, figures)) for name, part in trackers.items()]
    rows.sort(key=lambda row: -(row[1][0] if row[1][0] is not None else -1.0))
    columns = [*(NAMES[name] for name in figures), ENERGY, *WHOLE, FPS]
    kept = [
        i for i in range(len(columns))
        if i < len(figures) or any(row[1][i] is not None for row in rows)
    ]  # fmt: skip
    return PaperTable(
        tuple(columns[i] for i in kept),
        tuple((name, tuple(values[i] for i in kept)) for name, values in rows),
        tuple(rules_said(layouts)),
    )


def _row(part: FiguresPart, figures: tuple[str, ...]) -> tuple[float | None, ...]:
    if part.mean is None:
        return (None,) * (len(figures) + 4)
    means, pooled = part.mean, part.pooled
    values = [getattr(pooled if name in POOLED else means, name) for name in figures]
    shares = [None if value is None else 100 * value for value in values]
    whole = means.whole_mj or (None, None)
    return (*shares, means.operations_mj, *whole, means.fps or None)


def by_attribute(trackers: Mapping[str, FiguresPart]) -> dict[str, dict[str, tuple[int, float]]]:
    """Attribute → tracker → (sequences, mean success AUC), for data sets that name them."""
    named: dict[str, None] = {}
    for part in trackers.values():
        for one in part.sequences.values():
            named |= dict.fromkeys(one.attributes)
    table: dict[str, dict[str, tuple[int, float]]] = {}
    for attribute in named:
        for name, part in trackers.items():
            some = {n: p for n, p in part.sequences.items() if attribute in p.attributes}
            means = mean(some)
            if means is not None and means.success_auc is not None:
                table.setdefault(attribute, {})[name] = (len(some), means.success_auc)
    return table


def attribute_table(scores: Mapping[str, Mapping[str, tuple[int, float]]]) -> PaperTable:
    """Success AUC in per cent, a row an attribute, a column a tracker."""
    names = list(dict.fromkeys(name for row in scores.values() for name in row))
    rows = [
        (attribute, tuple(100 * row[name][1] if name in row else None for name in names))
        for attribute, row in scores.items()
    ]
    return PaperTable(tuple(names), tuple(rows), ("success AUC",), "attribute", across=True)
