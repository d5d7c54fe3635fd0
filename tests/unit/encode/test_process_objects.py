"""multiprocessing's Process objects that have not begun or are over come back; views of lost memory do no harm."""

from __future__ import annotations

import pytest
from world import World

from forkpoint.capture import ambient

pytestmark = pytest.mark.usefixtures("no_module_left")

PROGRAM = """
import multiprocessing, os, time
context = multiprocessing.get_context("fork")
class Own(context.Process):
    def run(self):
        os._exit(self.code)
joined, waiting, fresh = Own(), Own(), Own()
for code, process in enumerate((joined, waiting, fresh), 3):
    process.code = code
joined.start()
joined.join()
waiting.start()
def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]
while state(waiting.pid) != "Z":
    time.sleep(0.01)
"""


def test_processes_that_are_over_say_how_they_ended_and_one_to_begin_can_begin() -> None:
    world = World(PROGRAM)
    ambient.before_fork()
    world.module.waiting.join()  # as the program may while the child saves
    back = world.again(reducers=ambient.reducers())
    for process, code in ((back.joined, 3), (back.waiting, 4)):
        process.join(5)
        assert process.exitcode == code and not process.is_alive()
    assert back.joined._config["authkey"] == world.module.joined._config["authkey"]
    back.fresh.start()
    back.fresh.join(20)
    assert back.fresh.exitcode == 5


def test_views_and_arrays_of_memory_that_is_lost_are_lost_with_it() -> None:
    pytest.importorskip("numpy")
    world = World("""
import array, numpy
raw = array.array("B", bytes(16))
view, stepped = memoryview(raw)[4:8], memoryview(raw)[::2]
array = numpy.frombuffer(raw, "u1")
part = array[2:4]
""")
    back = world.again(reducers=ambient.reducers(), excluded={id(world.module.raw): world.module.raw})
    assert type(back.raw).__name__ == "Absent"
    assert all(each is back.raw for each in (back.view, back.stepped, back.array, back.part))
