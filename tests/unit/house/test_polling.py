"""How a child ended is learned once, whoever asks first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from forkpoint.engine import Engine
from forkpoint.report import Report


def test_a_tick_may_learn_of_a_child_while_the_program_waits_for_it() -> None:
    """Ticks run between two bytecodes of the wait: found once by 400 waits of a program with `--every 0.05`."""
    accounted: list[Report] = []

    class Child:
        cpu_seconds = 0.0

        def poll(self) -> Report:
            return Report("K")

        def wait(self, timeout: float | None) -> Report:
            Engine.poll(cast("Any", engine))  # the tick
            return Report("K")

    engine = SimpleNamespace(
        _child=Child(),
        _point="p",
        _burden=SimpleNamespace(end=lambda used: 0.0),
        totals=SimpleNamespace(slowed=lambda seconds: None),
        _account=accounted.append,
    )
    Engine.poll(cast("Any", engine), None)
    assert engine._child is None
    assert len(accounted) == 1
