"""What every measurement here is: a question, asked of workloads, that prints a table and keeps its figures as JSON."""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]


def use_checkout() -> None:
    """Measure the forkpoint beside this file, here and in all processes started from here, where it is built for this
    Python; elsewhere the one that is installed. With its bytecode kept, as that of what is installed is.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if any((CHECKOUT / "forkpoint" / f"_native{kind}").exists() for kind in importlib.machinery.EXTENSION_SUFFIXES):
        sys.path.insert(0, str(CHECKOUT))
        paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)


use_checkout()


def scratch(name: str) -> tempfile.TemporaryDirectory[str]:
    """Where the programs that are measured write, on the disk FORKPOINT_BENCH_DIR is on."""
    return tempfile.TemporaryDirectory(prefix=f"{name}.", dir=os.environ.get("FORKPOINT_BENCH_DIR"))


Found = dict[str, Any]
"""What one workload answered; as JSON."""


@dataclass
class Question:
    """One program of this folder."""

    name: str
    about: str
    """The program's docstring; its first line heads the table."""
    heads: Sequence[str]
    """The columns after that of the workload."""
    measure: Callable[[str, argparse.Namespace], Found]
    rows: Callable[[Found], list[list[str]]]
    """The table's rows for one workload."""
    bars: Callable[[Found], dict[str, float]]
    """What its plot shows for one workload, in `unit`."""
    unit: str
    workloads: Sequence[str]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Arguments of `ArgumentParser.add_argument`, by name."""
    notes: Callable[[Found], list[str]] = lambda found: []
    """What is to be said below one workload's rows."""

    @property
    def title(self) -> str:
        return self.about.splitlines()[0]

    def parse(self, words: Sequence[str] | None = None) -> argparse.Namespace:
        from workloads import WORKLOADS

        kind = argparse.RawDescriptionHelpFormatter
        parser = argparse.ArgumentParser(description=self.about, formatter_class=kind)
        parser.add_argument("--workload", nargs="+", choices=WORKLOADS, default=list(self.workloads))
        for name, arguments in self.options.items():
            parser.add_argument(f"--{name}", **arguments)
        parser.add_argument("--json", type=Path)
        return parser.parse_args(words)

    def ask(self, options: argparse.Namespace) -> dict[str, Found]:
        """What each workload answers, told as soon as it is known."""
        whole = {}
        for name in options.workload:
            whole[name] = self.measure(name, options)
            self.show(name, whole[name])
        return whole

    def show(self, workload: str, found: Found) -> None:
        rows = [[workload, *self.heads], *(["", *row] for row in self.rows(found))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            padded = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            padded[:2] = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
            print("  ".join(padded).rstrip())
        print(*self.notes(found), sep="\n", flush=True)

    def main(self) -> None:
        options = self.parse()
        print(self.title)
        whole = self.ask(options)
        if options.json:
            options.json.write_text(json.dumps(whole, indent=1))
