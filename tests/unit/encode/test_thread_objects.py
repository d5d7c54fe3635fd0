"""Threads: one that has not begun or that is over is saved, one that runs is a tombstone."""

from __future__ import annotations

import pytest
from world import World

pytestmark = pytest.mark.usefixtures("no_module_left")

PROGRAM = """
import threading
class Leaving(threading.Thread):
    '''As a thread is while the interpreter ends it: out of the table, and still alive.'''
    def run(self):
        with threading._active_limbo_lock:
            del threading._active[threading.get_ident()]
        left.set()
        end.wait()
        with threading._active_limbo_lock:
            threading._active[threading.get_ident()] = self
left, end, sign = threading.Event(), threading.Event(), threading.Event()
over, fresh, leaving = threading.Thread(target=len, args=([],)), threading.Thread(target=sign.set), Leaving()
over.start(); over.join(); leaving.start(); left.wait()
"""


def test_a_thread_that_is_over_or_as_good_as_over_has_ended_and_one_to_begin_can_begin() -> None:
    world = World(PROGRAM)
    module = world.module
    try:
        assert module.leaving.is_alive()
        back = world.again()
    finally:
        module.end.set()
        module.leaving.join()
    assert not back.leaving.is_alive() and not back.over.is_alive()
    back.leaving.join()
    back.fresh.start()
    assert back.sign.wait(10)


def test_a_running_thread_is_a_tombstone() -> None:
    world = World(PROGRAM + "running = threading.Thread(target=end.wait)\nrunning.start()\n")
    try:
        lost = {each.path: each.reason for each in world.encode().tombstones}
    finally:
        world.module.end.set()
        world.module.leaving.join()
        world.module.running.join()
    assert lost["program_under_test.running"] == "a running thread cannot be saved"
