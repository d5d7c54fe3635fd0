"""Which modules are the program's, what libraries own, and one-line summaries."""

from __future__ import annotations

import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

from forkpoint.capture import libraries, roots
from forkpoint.capture.preview import SUMMARY_CHARACTERS_MAX, preview


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    (tmp_path / "own_project_module.py").write_text("import json\nclass Own: pass\nown = Own()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_project_module", raising=False)
    import own_project_module  # type: ignore[import-not-found]

    return own_project_module  # type: ignore[no-any-return]


def test_project_modules_are_by_value_and_libraries_are_imports_in_order(project: types.ModuleType) -> None:
    found = roots.find()
    assert project in found.by_value
    assert sys.modules["__main__"] in found.by_value
    assert not {"json", "pytest", "sys"} & {module.__name__ for module in found.by_value}
    assert {"json", "pytest"} <= set(found.imports)
    assert "own_project_module" not in found.imports
    assert not any(name.startswith("forkpoint") for name in found.imports)
    order = [name for name in sys.modules if name in found.imports]
    assert order == list(found.imports)


def test_a_module_that_a_library_made_by_hand_beneath_itself_is_the_librarys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("json.kernels.k1", "made_by_the_program"):
        module = types.ModuleType(name)
        module.__file__ = str(tmp_path / "k1.py")
        monkeypatch.setitem(sys.modules, name, module)
    found = {module.__name__ for module in roots.find().by_value}
    assert "made_by_the_program" in found and "json.kernels.k1" not in found


def test_what_cffi_made_for_a_library_is_the_librarys() -> None:
    """It made every restore point of a program that imports cryptography incomplete."""
    code = (
        "import sys, cryptography.hazmat.bindings._rust as rust\n"
        "from forkpoint.capture import roots\n"
        "made, found = sys.modules['_openssl'], roots.find()\n"
        "print(hasattr(made, '__file__'), made in found.by_value, made.__name__ in found.imports)\n"
        "print(rust.__name__ in found.imports)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False", "False", "True"], done.stderr


def test_what_libraries_own_is_named_but_not_what_the_program_put_there(
    project: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "smuggled", project.own, raising=False)
    monkeypatch.setattr(sys, "excepthook", print)
    named = libraries.named(roots.find())
    assert named[id(random._inst)] == ("random", "_inst")  # type: ignore[attr-defined]
    assert named[id(sys.modules)] == ("sys", "modules")
    assert id(project.own) not in named
    assert len(named) == len(dict(named.items())), "what is left out is not gone through either"


class Noisy(dict):  # type: ignore[type-arg]
    def __repr__(self) -> str:
        raise AssertionError("the program's code was run")

    __len__ = __iter__ = __repr__  # type: ignore[assignment]


def test_a_summary_is_one_short_line_and_runs_none_of_the_programs_code() -> None:
    assert preview("n", 5).summary == "5"
    assert preview("xs", [1, 2, "a"]).summary == "3 items of int, str"
    assert preview("text", "a\nb" * 1000).summary.startswith("'a\\nba")
    assert len(preview("text", "a" * 1000).summary) <= SUMMARY_CHARACTERS_MAX
    assert preview("noisy", Noisy()).type.endswith("Noisy")
    assert preview("huge", 1 << 10**6).summary == "integer of 1000001 bits"


def test_an_array_is_shown_by_type_shape_and_size() -> None:
    numpy = pytest.importorskip("numpy")
    shown = preview("a", numpy.zeros((3, 4)))
    assert (shown.type, shown.summary, shown.bytes) == ("numpy.ndarray", "float64 (3, 4)", 96)
