"""The programs of this suite: how each is started, and what it needs."""

from __future__ import annotations

from harness import HERE, Program

PROGRAMS = HERE / "programs"
UNMODIFIED = HERE / "unmodified"
REFUSALS = HERE / "refusals"

ARGUMENTS = {
    "command_line": ("--rate", "0.25", "train", "--epochs", "4", "--strict"),
    "ambient_state": ("an", "argument"),
}
NEEDS = {
    "environment_first": ("numpy",),
    "generic_syntax": ("python>=3.12",),
    "hot_arrays": ("numpy",),
    "mapped_classes": ("sqlalchemy",),
    "numpy_arrays": ("numpy",),
    "numpy_random": ("numpy",),
    "pandas_frames": ("pandas",),
    "sklearn_digits": ("sklearn",),
    "thread_limits": ("sklearn",),
}
SEEDED = ("seeded_order",)
"""Their output depends on the hash seed itself, so that oracle and run must be given the same one."""
DIRECT = ("three_down",)
"""They call forkpoint.checkpoint() themselves: only the product's own fault point can kill them."""


def _script(name: str) -> Program:
    env = {"PYTHONHASHSEED": "77"} if name in SEEDED else {}
    return Program(name, (f"{name}.py", *ARGUMENTS.get(name, ())), PROGRAMS, NEEDS.get(name, ()), env)


def pointed() -> list[Program]:
    """Every program with explicit commit points, the `-m` package and the script with a directory of its own too."""
    names = sorted(p.stem for p in PROGRAMS.glob("*.py") if p.stem != "points")
    found = [_script(name) for name in names]
    found.append(Program("shop", ("-m", "shop", "--all", "x"), PROGRAMS))
    found.append(Program("project", ("project/train.py",), PROGRAMS))
    return found


def unmodified() -> list[Program]:
    """Programs that never heard of forkpoint, a few seconds long each, for automatic commits."""
    return [
        Program(path.stem, (path.name,), UNMODIFIED, tuple(_imports(path.read_text())))
        for path in sorted(UNMODIFIED.glob("*.py"))
    ]


def _imports(source: str) -> list[str]:
    return [
        name
        for name in ("joblib", "numpy", "sklearn", "torch", "tqdm")
        if f"import {name}" in source or f"from {name}" in source
    ]
