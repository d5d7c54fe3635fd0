"""The store's state machine for as long as one likes: on a disk that forgets, tears and refuses, against a plain model.

    python stress/state_machine.py [--minutes N] [--seed S] [--plant NAME]

What is done and what must hold: tests/unit/journal/store_machine.py; the disk: seeded_disk.py beside it. Exits 1 with
the shortest sequence of steps found that breaks a promise; with `--plant`, 1 when that bug was not found.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "journal")]

import hypothesis  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402
from machine_plants import PLANTS  # noqa: E402
from store_machine import StoreMachine  # noqa: E402

_EXAMPLES = 50
_STEPS = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--plant", choices=sorted(PLANTS))
    asked = parser.parse_args()
    StoreMachine.plant = staticmethod(PLANTS[asked.plant]) if asked.plant else None
    phases = [hypothesis.Phase.generate, *([] if asked.plant else [hypothesis.Phase.shrink])]
    how = hypothesis.settings(
        max_examples=_EXAMPLES, stateful_step_count=_STEPS, deadline=None, database=None, phases=phases,
        report_multiple_bugs=False, suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    until = time.monotonic() + 60 * asked.minutes
    number, found = asked.seed * 10**6, None
    while time.monotonic() < until and found is None:
        try:
            run_state_machine_as_test(hypothesis.seed(number)(StoreMachine), settings=how)
        except Exception as error:
            found = error
        number += 1
    print(f"seed {asked.seed}: " + ", ".join(f"{count:,} {what}" for what, count in StoreMachine.happened.items()))
    if found is not None:
        if not asked.plant:
            raise found
        print(f"found: {type(found).__name__}: {found}")
    return int((found is None) == bool(asked.plant))


if __name__ == "__main__":
    sys.exit(main())
