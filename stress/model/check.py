#!/usr/bin/env python3
"""Checks protocol.pml with spin: the protocol holds in every order of events, and each rule left out is missed.

    python stress/model/check.py

Needs spin and a C compiler. Exit status 1 when the model has an error, or a planted bug has none.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).with_name("protocol.pml")
BUGS = tuple(sorted(set(re.findall(r"BUG_[A-Z_]+[A-Z]", MODEL.read_text()))))


def errors(bug: str | None) -> tuple[int, int]:
    """(errors found, states looked at) with this rule left out."""
    with tempfile.TemporaryDirectory(prefix="model.") as scratch:
        leave_out = [f"-D{bug}"] if bug else []
        for command in (["spin", "-a", *leave_out, str(MODEL)], ["cc", "-O1", "-o", "pan", "pan.c"]):
            subprocess.run(command, cwd=scratch, check=True, capture_output=True)
        said = subprocess.run(
            ["./pan", "-a", "-N", "promises"], cwd=scratch, check=True, capture_output=True, text=True
        )
    return tuple(int(re.search(pattern, said.stdout)[1]) for pattern in (r"errors: (\d+)", r"(\d+) states, stored"))


def main() -> int:
    good = True
    for bug in (None, *BUGS):
        found, states = errors(bug)
        expected = bool(found) == bool(bug)
        good &= expected
        verdict = "found" if found else "holds"
        print(
            f"{bug or 'the protocol':<26} {states:>7} states  {verdict:<6} {'' if expected else 'NOT AS IT SHOULD BE'}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
