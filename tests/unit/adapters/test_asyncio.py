"""Commits wait while an asyncio event loop runs: its tasks could not be brought back."""

from __future__ import annotations

import asyncio
import pickle
import warnings

import pytest
from in_memory import Lost, again

from forkpoint.capture import ambient
from forkpoint.errors import Refused


def test_in_a_running_loop_a_commit_is_refused_by_name_and_after_it_taken() -> None:
    async def main() -> None:
        with pytest.raises(Refused, match="event loop is running"):
            ambient.before_fork()
        assert "event loop is running" in ambient.standing()

    asyncio.run(main())
    assert ambient.before_fork()["asyncio_loops"] is None and ambient.standing() == ""


def test_the_refusal_is_true_for_nothing_saves_a_task() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(asyncio.current_task())

    asyncio.run(main())


def test_coroutines_that_the_program_drives_itself_do_not_stand_in_the_way() -> None:
    async def nothing() -> None:
        return None

    waiting = nothing()
    assert ambient.before_fork()["asyncio_loops"] is None
    waiting.close()


def test_the_names_of_tasks_go_on() -> None:
    from forkpoint.capture.adapters.asyncio_tasks import ADAPTER

    async def named() -> str:
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    asyncio.run(named())
    state = ADAPTER.capture(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ADAPTER.restore(state + 5)
        assert asyncio.run(named()) == f"Task-{state + 5}"


async def _doubled(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_a_loop_between_its_runs_comes_back_with_its_settings_and_one_with_work_does_not() -> None:
    loop, closed, busy = (asyncio.new_event_loop() for _ in range(3))
    loop.run_until_complete(_doubled(1))
    loop.slow_callback_duration, loop.note = 7.0, ["mine"]  # type: ignore[attr-defined]
    closed.close()
    task = busy.create_task(_doubled(2))
    back, shut, lost = again((loop, closed, busy))
    try:
        assert back.run_until_complete(_doubled(4)) == 8 and back._selector is not loop._selector  # type: ignore[attr-defined]
        assert (back.slow_callback_duration, back.note) == (7.0, ["mine"]) and shut.is_closed()
        assert type(lost) is Lost
    finally:
        busy.run_until_complete(task)
        for each in (loop, busy, back):
            each.close()
