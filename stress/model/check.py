#!/usr/bin/env python3
"""Checks the models beside it with spin: each holds in every order of events, and each rule left out is missed.

    python stress/model/check.py

Needs spin and a C compiler. Exit status 1 when a model has an error, or a planted bug has none.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = sorted(Path(__file__).parent.glob("*.pml"))


def bugs(model: Path) -> list[str]:
    """The rules that can be left out."""
    return sorted(set(re.findall(r"BUG_[A-Z_]+[A-Z]", model.read_text())))


def errors(model: Path, bug: str | None) -> tuple[int, int]:
    """(errors found, states looked at) with this rule left out, for all that the model promises."""
    found = states = 0
    with tempfile.TemporaryDirectory(prefix="model.") as scratch:
        leave_out = [f"-D{bug}"] if bug else []
        for command in (["spin", "-a", *leave_out, str(model)], ["cc", "-O1", "-o", "pan", "pan.c"]):
            subprocess.run(command, cwd=scratch, check=True, capture_output=True)
        for claim in re.findall(r"^ltl (\w+)", model.read_text(), re.MULTILINE):
            said = subprocess.run(
                ["./pan", "-a", "-f", "-N", claim], cwd=scratch, check=True, capture_output=True, text=True
            )
            found += int(re.search(r"errors: (\d+)", said.stdout)[1])
            states += int(re.search(r"(\d+) states, stored", said.stdout)[1])
    return found, states


def main() -> int:
    good = True
    for model in MODELS:
        for bug in (None, *bugs(model)):
            found, states = errors(model, bug)
            expected = bool(found) == bool(bug)
            good &= expected
            verdict = "found" if found else "holds"
            words = "" if expected else "NOT AS IT SHOULD BE"
            print(f"{model.stem:<9} {bug or 'every rule':<35} {states:>7} states  {verdict:<6} {words}".rstrip())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
