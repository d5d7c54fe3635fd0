"""What a library keeps under a name that is None until it is needed is known by the code that assigns it."""

from __future__ import annotations

import sys
import types

import pytest

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
