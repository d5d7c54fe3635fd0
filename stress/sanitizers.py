#!/usr/bin/env python3
"""The native code under AddressSanitizer and UndefinedBehaviorSanitizer, and its references counted (part 7).

    python stress/sanitizers.py [--python PATH] [--plant] [PART ...]

`asan`: the extension module is built with -fsanitize=address,undefined into a copy of the package; the unit tests that
use it run there, and a program that is committed, killed and restored. `malloc`: the same with PYTHONMALLOC=debug
and the module as it is. `leaks`: each native function is called 10,000 times in ways that fail, and with what it takes
where that is known; neither memory nor the references of its arguments may grow. `--plant` puts a read beyond the end
of a buffer into the copy, which `asan` must find. Needs a C compiler with its sanitizers, cmake and ninja, pytest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CANNOT = 77
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1"
UNIT = [
    "tests/unit/stack/test_native_parts.py", "tests/unit/stack/test_plainly.py", "tests/unit/snapshot/test_audit.py",
    "tests/unit/snapshot/test_staging.py", "tests/unit/encode/test_encode.py",
]  # fmt: skip
"""Tests that call most of the module."""

BESIDE_SHADOW = [
    "--deselect",
    "tests/unit/snapshot/test_staging.py::test_the_whole_heap_of_the_interpreter_can_be_staged",
]
"""What asan cannot run: it copies all private memory, of which the sanitizer's shadow is 20 TB."""

OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
"""CPython keeps memory to its end on purpose; and staging handles SIGSEGV itself."""

REPORTS = ("ERROR: AddressSanitizer", "runtime error:")

PROGRAM = """
import os, signal, sys
import forkpoint

state = {"numbers": list(range(5000)), "text": "x" * 200_000}
for n in range(3):
    state["numbers"].append(n)
    point = forkpoint.checkpoint(wait=True)
    print(n, len(state["numbers"]), point.durable or point.restored, flush=True)
    if n == 1 and not point.restored:
        os.kill(os.getpid(), signal.SIGKILL)
"""

LEAKS = """
import gc, os, sys
from forkpoint import _native

WRONG = [(), (None,), ("x",), (object(),), (-1,), (1, 2), (None, None), ("x", None, 3), ([], {}, (), 4), (1,) * 9]
NOT_CALLED = {
    "fork", "work", "spawn", "end_with", "die_with", "guard_start", "guard_alarm", "guard_pass_on", "ticks_start",
    "resume", "run_code", "call_deep", "memory_replace", "audit_start", "frame_slots", "frame_pointer", "frame_new",
    "heap_size", "sample", "is_staged", "trace_arm",
}
'''These end or change the process when they succeed, or take addresses that must be right.'''

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def call(function, arguments, times):
    for _ in range(times):
        try:
            function(*arguments)
        except Exception:
            pass

def fails(function, arguments):
    try:
        function(*arguments)
    except Exception:
        return True
    return False  # what succeeds has tests of its own

def leaks(name):
    '''Whether it leaks; in a process of its own, since it may be the end of it.'''
    function, found = getattr(_native, name), 0
    for arguments in WRONG:
        if not fails(function, arguments):
            continue
        held = [one for one in arguments if not isinstance(one, (int, str)) and one is not None]
        call(function, arguments, 1000)
        gc.collect()
        before, counts = resident(), [sys.getrefcount(one) for one in held]
        call(function, arguments, 10000)
        gc.collect()
        grown, more = resident() - before, [sys.getrefcount(one) for one in held]
        if grown > 1 << 20 or more != counts:
            print(f"{name}{arguments!r}: {grown} bytes more, references {counts} -> {more}", flush=True)
            found = 1
    return found

tried, bad = 0, []
for name in sorted(dir(_native)):
    function = getattr(_native, name)
    if name.startswith("_") or not callable(function) or isinstance(function, type) or name in NOT_CALLED:
        continue
    tried += 1
    pid = os.fork()
    if pid == 0:
        os._exit(leaks(name))
    if status := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        bad.append(f"{name} ({status})")
print(f"{tried} functions, each way to fail 10,000 times; bad: {bad}")
sys.exit(bool(bad) or not tried)
"""


def copy(folder: Path) -> Path:
    """A checkout of our own, without what is built."""
    into = folder / "checkout"
    for name in ("forkpoint", "native", "tests", "pyproject.toml", "stress"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(source, into / name)
    return into


def build(checkout: Path, python: str, flags: str) -> None:
    tools = Path(python).parent
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    for command in (
        ["cmake", "-S", "native", "-B", "build", "-G", "Ninja", f"-DPython_EXECUTABLE={python}",
         "-DFORKPOINT_INPLACE=ON", f"-DCMAKE_C_FLAGS={flags}"],
        ["cmake", "--build", "build"],
    ):  # fmt: skip
        subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)


def run(name: str, command: list[str], checkout: Path, environment: dict[str, str], *, status: int = 0) -> bool:
    """Run it; whether it ended as it must, with no report of a sanitizer. What it said otherwise is printed."""
    try:
        done = subprocess.run(
            command, cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True, errors="replace",
            timeout=1200, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"{name:<22} FAIL     more than 20 minutes", flush=True)
        return False
    said = done.stdout + done.stderr
    good = done.returncode == status and not any(report in said for report in REPORTS)
    last = next((line for line in reversed(done.stdout.splitlines()) if line.strip()), "")
    print(f"{name:<22} {'PASS' if good else 'FAIL'}     {last[:150]}", flush=True)
    if not good:
        at = min((said.find(report) for report in REPORTS if report in said), default=max(0, len(said) - 3000))
        print(said[at : at + 3000], flush=True)
    return good


def runs(name: str, python: str, checkout: Path, environment: dict[str, str], *options: str) -> bool:
    """The unit tests, and a commit, a kill and a restore."""
    environment = environment | {"PYTHONPATH": str(checkout)}
    here = checkout / "killed"
    here.mkdir()
    (here / "program.py").write_text(PROGRAM)
    environment |= {"XDG_CONFIG_HOME": str(here / "config"), "XDG_STATE_HOME": str(here / "state")}
    forkpoint = [python, "-m", "forkpoint"]
    store = ["--store", str(here / "store")]
    commit = [*forkpoint, "run", *store, "--every", "3600", str(here / "program.py")]
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *options, *UNIT]
    return all(
        [
            run(f"{name}, killed", commit, here, environment, status=-9),
            run(f"{name}, restored", [*forkpoint, "restore", *store], here, environment),
            run(f"{name}, unit tests", tests, checkout, environment),
        ]
    )


def asan(python: str, checkout: Path, *, plant: bool) -> bool:
    if plant:
        source = checkout / "native" / "rewritten.c"
        text = source.read_text()
        changed = text.replace(
            "for (int i = 0; i < PAGES * WORDS; i++) {", "for (int i = 0; i <= PAGES * WORDS; i++) {"
        )
        assert changed != text, "the bug cannot be planted"
        source.write_text(changed)
    build(checkout, python, FLAGS)
    library = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return runs("asan, ubsan", python, checkout, OPTIONS | {"LD_PRELOAD": library.stdout.strip()}, *BESIDE_SHADOW)


def malloc(python: str, checkout: Path) -> bool:
    build(checkout, python, "")
    return runs("malloc debug", python, checkout, {"PYTHONMALLOC": "debug"})


def leaks(python: str, checkout: Path) -> bool:
    build(checkout, python, "")
    return run("leaks", [python, "-c", LEAKS], checkout, {"PYTHONPATH": str(checkout)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="asan, malloc, leaks")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--plant", action="store_true", help="with a bug in the native code: asan must fail")
    options = parser.parse_args()
    if shutil.which("cc") is None:
        print("no C compiler here: not run", file=sys.stderr)
        return CANNOT
    good = True
    for part in options.parts or ("asan", "malloc", "leaks"):
        with tempfile.TemporaryDirectory(prefix="sanitizers.") as folder:
            checkout = copy(Path(folder))
            if part == "asan":
                good &= asan(options.python, checkout, plant=options.plant)
            else:
                good &= {"malloc": malloc, "leaks": leaks}[part](options.python, checkout)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
