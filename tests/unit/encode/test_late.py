"""What a library keeps under a name that is None until it is needed is known by the code that assigns it."""

from __future__ import annotations

import sys
import types

import pytest
from world import World

from forkpoint.encode import late

LIBRARY = """
class Base:
    kept = other = None
    def __init__(self):
        type(self).kept = self
class Derived(Base):
    pass
"""


def test_a_class_attribute_that_only_a_base_class_assigns(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("late_library")
    exec(LIBRARY, module.__dict__)
    monkeypatch.setitem(sys.modules, "late_library", module)
    assert late.is_made_late("late_library", "Base.kept") and late.is_made_late("late_library", "Derived.kept")
    assert not late.is_made_late("late_library", "Derived.other")


def test_unread_names_of_a_script_come_back_at_their_place_whatever_refers_to_them() -> None:
    world = World("first = 1\nout = [2]\nsame = out\nlast = {'of': out}\nalone = ['x']\n")
    unread = [(vars(world.module), "out"), (vars(world.module), "alone")]
    back = world.again(unread=unread)
    assert list(vars(back))[-5:] == ["first", "out", "same", "last", "alone"]
    assert back.out is back.same is back.last["of"] and back.out == [2] and back.alone == ["x"]
    assert world.module.out == [2] and world.module.alone == ["x"]  # type: ignore[attr-defined]
