"""No commit comes while a library's module runs for the first time: a restored process has imported it by then."""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

import pytest

from forkpoint.capture import importing, roots


@pytest.mark.parametrize(("ours", "refused"), [(True, False), (False, True)])
def test_a_module_that_importlib_runs(monkeypatch: pytest.MonkeyPatch, ours: bool, refused: bool) -> None:
    module = types.ModuleType("imported_here")
    found = types.SimpleNamespace(by_value=[module] if ours else [])
    monkeypatch.setattr(roots, "find", lambda: found)
    runs: Any = types.SimpleNamespace(function=vars(sys.modules["_frozen_importlib"])["_call_with_frames_removed"])
    body: Any = types.SimpleNamespace(namespace=vars(module))
    assert importing.is_librarys(builtins.exec, runs, body) is refused
