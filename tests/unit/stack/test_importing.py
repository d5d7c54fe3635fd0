"""No commit comes while a library's module runs for the first time: a restored process has imported it by then."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from forkpoint.capture import importing, roots

BOOTSTRAP = vars(sys.modules["_frozen_importlib"])


def frame(address: int, namespace: dict[str, Any], kind: str = "function") -> Any:
    return types.SimpleNamespace(address=address, namespace=namespace, kind=kind)


@pytest.mark.parametrize(
    ("within", "refused"),
    [
        ("a program's module", set()),
        ("a library's module", {2, 3}),
        ("a function of the program", {2, 3}),
        ("nothing", {2, 3}),
        ("a library's in a program's module", {5, 6}),
    ],
)
def test_importlib_may_only_lead_to_a_module_of_the_program(
    monkeypatch: pytest.MonkeyPatch, within: str, refused: set[int]
) -> None:
    module = types.ModuleType("imported_here")
    monkeypatch.setattr(roots, "find", lambda: types.SimpleNamespace(by_value=[module]))
    ours, librarys = vars(module), vars(types.ModuleType("lib"))
    deeper = [frame(4, librarys, "code"), frame(5, BOOTSTRAP), frame(6, BOOTSTRAP)]
    inner = {
        "a program's module": [frame(1, ours, "code")],
        "a library's module": [frame(1, librarys, "code")],
        "a function of the program": [frame(1, ours)],
        "nothing": [],
        "a library's in a program's module": [*deeper, frame(1, ours, "code")],
    }[within]
    frames = [*inner, frame(2, BOOTSTRAP), frame(3, BOOTSTRAP), frame(0, ours, "code")]
    assert importing.not_the_programs(frames) == refused
