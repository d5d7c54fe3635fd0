"""Commits wait while an asyncio event loop runs: its tasks could not be brought back."""

from __future__ import annotations

import asyncio
import pickle
import warnings

import pytest

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
