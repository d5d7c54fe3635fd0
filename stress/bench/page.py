"""The page of answers: a table and a plot per question, and the bars with met or missed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import verdicts
from question import Question

Results = Mapping[str, Mapping[str, Any]]
"""By heading and workload, what was found."""


def write(into: Path, questions: Mapping[str, Question], results: Results) -> None:
    parts = ["# What was measured", "", verdict_table(results)]
    for heading, question in questions.items():
        found = results.get(heading)
        if found:
            parts += [f"## {heading.capitalize()}", "", question.title, "", table(question, found)]
            if plot(into / f"{heading.replace(', ', '-').replace(' ', '-')}.png", question, found):
                parts += [""]
    (into / "RESULTS.md").write_text("\n".join(parts).rstrip() + "\n")


def verdict_table(results: Results) -> str:
    lines = ["| bar | found | |", "|---|---|---|"]
    lines += [f"| {one.bar} | {one.found} | {one.verdict} |" for one in verdicts.judge(results)]
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def table(question: Question, found: Mapping[str, Any]) -> str:
    heads = ["", *question.heads]
    lines = [_row(heads), _row(["---", *("---:" for _ in question.heads)])]
    for workload, answer in found.items():
        for at, cells in enumerate(question.rows(answer)):
            lines.append(_row(["" if at else f"**{workload}**", *cells]))
    notes = [f"- {workload} {note}" for workload, answer in found.items() for note in question.notes(answer)]
    where = {(one["machine"], one["date"]) for answer in found.values() if (one := answer.get("on"))}
    loads = [answer["on"]["load"] for answer in found.values() if "on" in answer]
    notes += [f"- {date}, {about}, load at the end {min(loads)} to {max(loads)}" for about, date in sorted(where)]
    return "\n".join([*lines, "", *notes, ""])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(path: Path, question: Question, found: Mapping[str, Any]) -> bool:
    """Bars, a panel per workload; False where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = {workload: bars for workload, answer in found.items() if (bars := question.bars(answer))}
    heights = [1 + len(bars) for bars in panels.values()]
    figure, axes = pyplot.subplots(
        len(panels),
        1,
        figsize=(8, 0.5 + 0.28 * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axis, (workload, bars) in zip(axes[:, 0], panels.items(), strict=True):
        colours = ["C1" if "forkpoint" in name else "C0" for name in bars]
        axis.barh(list(bars), list(bars.values()), color=colours)
        axis.invert_yaxis()
        axis.set_title(workload, loc="left", fontsize="medium")
    axes[-1, 0].set_xlabel(question.unit)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return True
