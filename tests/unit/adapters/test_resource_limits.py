"""Limits of a process: what it set itself is known, raised early and put back last, as far as it may."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, resource
from forkpoint import _native
from forkpoint.capture.adapters.resource_limits import ADAPTER
which = resource.RLIMIT_NOFILE
untouched = ADAPTER.before_fork()
{action}
print(json.dumps([untouched, ADAPTER.before_fork(), ADAPTER.facts(), resource.getrlimit(which)]))
"""


def ask(action: str) -> list[object]:
    """What the program prints, and last what it was told."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM.format(action=action)], capture_output=True, check=True)
    return [*json.loads(ran.stdout), ran.stderr.decode()]


def test_what_the_program_set_is_known_and_nothing_else() -> None:
    untouched, noted, facts, now, _ = ask("resource.setrlimit(which, (200, 300))")
    assert untouched == {}
    assert noted == {"7": [200, 300]} and facts == [[7, 200]] and now == [200, 300]


def test_before_imports_a_limit_is_raised_and_never_lowered() -> None:
    lower = "resource.setrlimit(which, (100, 400)); "
    assert ask(lower + "ADAPTER.prepare([(which, 200)])")[3] == [200, 400]
    assert ask(lower + "ADAPTER.prepare([(which, 50)])")[3] == [100, 400]
    assert ask(lower + "ADAPTER.prepare([(which, -1)])")[3] == [400, 400]


def test_put_back_last_it_is_what_it_was_and_goes_into_the_next_restore_point() -> None:
    _, noted, _, now, _ = ask("ADAPTER.restore({which: resource.getrlimit(which)})")
    assert noted == {"7": now}, "set once more by a restored process, though it is what that began with"


def test_a_limit_this_process_may_not_have_is_said() -> None:
    nobody = "import os; os.setuid(os.getuid() or 65534); "  # root may raise them
    *_, now, said = ask(nobody + "resource.setrlimit(which, (100, 400)); ADAPTER.restore({which: (500, 500)})")
    assert now == [400, 400]
    assert "the program had set RLIMIT_NOFILE to 500; this process is allowed 400" in str(said)
