"""A restore point comes to another Python, or to other libraries: refused with the reason, or exact; never a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import base_environment

PROGRAM = """
    import datetime, random
    import forkpoint

    def double(numbers):
        return [2 * number for number in numbers]

    class Shape:
        side = 3
        def area(self):
            return self.side ** 2

    def count():
        yield from range(10)

    plain = {"a": [1, 2.5, "x"], "day": datetime.date(2026, 1, 2), "draws": random.Random(7)}
    shape, counting = Shape(), count()
    with open("written", "w") as file:
        file.write("one\\n")
    for i in range(4):
        forkpoint.checkpoint(wait=True)
        print("step", i, double([i]), shape.area(), next(counting), plain["draws"].random(), flush=True)
"""

LOAD = """
import sys, forkpoint
found = forkpoint.load("latest", store=sys.argv[1])
print(found["plain"]["a"], found["plain"]["day"], found["plain"]["draws"].random(), found["shape"].side)
for what in (lambda: found["double"]([1]), lambda: found["shape"].area(), lambda: next(found["counting"])):
    try:
        print("ran", what())
    except forkpoint.TombstoneError as refused:
        print("refused", refused)
"""

VERSIONS = ("3.11", "3.12", "3.13")


def version_of(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


@pytest.fixture(params=VERSIONS)
def elsewhere(request, python, tmp_path):
    """Another Python that has forkpoint: an environment beside that of the one under test, or one on PATH."""
    here, wanted = version_of(python), request.param
    if wanted == here:
        pytest.skip("this is the Python under test")
    for candidate in (python.replace(here, wanted), shutil.which(f"python{wanted}")):
        if candidate and candidate != python and version_of(candidate) == wanted:
            command = [candidate, "-c", "import forkpoint, blake3, click; forkpoint.load"]
            if not subprocess.run(command, env=base_environment(tmp_path), capture_output=True, check=False).returncode:
                return candidate
    pytest.skip(f"no Python {wanted} here has forkpoint")


def died(bench):
    """The output of an uninterrupted run, and what this one printed until it was killed after three restore points."""
    oracle = bench.oracle()
    ran = bench.run(env={"FORKPOINT_FAULT": "program.durable:kill:3"})
    assert ran.status == -9, ran.err.decode()[-2000:]
    return oracle.out, ran.out


def test_another_python_is_refused_by_name_and_nothing_is_changed(make, python, elsewhere):
    here = make(PROGRAM)
    oracle, before = died(here)
    with (here.work / "written").open("a") as file:
        file.write("after the restore point\n")
    files = here.files()
    here.python = elsewhere
    for words in ((), ("--force",)):
        refused = here.restore(*words)
        assert (refused.status, refused.out) == (1, b""), refused.err.decode()[-2000:]
        assert f"made by Python {version_of(python)}, this is {version_of(elsewhere)}".encode() in refused.err
        assert b"Traceback" not in refused.err and refused.files == files
    deep = here.json("verify", "--deep")
    assert deep["ok"] and any(f"made by Python {version_of(python)}" in note for note in deep["notes"]), deep
    here.python = python
    restored = here.restore()
    assert (restored.status, before + restored.out) == (0, oracle), restored.err.decode()[-2000:]


def test_a_program_of_another_python_starts_anew_whatever_resume_says(make, elsewhere):
    here = make(PROGRAM)
    oracle, _ = died(here)
    here.python = elsewhere
    for resume in ("auto", "always"):
        ran = here.run("--resume", resume)
        assert (ran.status, ran.out) == (0, oracle), ran.err.decode()[-2000:]
    reference = here.json("log")["runs"][-1]["points"][0]["id"]
    ran = here.run("--resume", reference)
    assert (ran.status, ran.out) == (125, b"") and b"made by Python" in ran.err, ran.err.decode()[-2000:]


def test_variables_are_read_by_another_python_and_its_functions_refuse_to_run(make, python, elsewhere):
    """Bytecode of one version, run by another, ends the process by SIGSEGV."""
    for made_by, read_by in ((python, elsewhere), (elsewhere, python)):
        here = make(PROGRAM)
        here.python = made_by
        died(here)
        here.python = made_by
        exact = here.call(["-c", LOAD, str(here.store)])
        here.python = read_by
        read = here.call(["-c", LOAD, str(here.store)])
        shutil.rmtree(here.scratch)
        assert (exact.status, read.status) == (0, 0), read.err.decode()[-2000:]
        values, *ran = exact.out.splitlines()
        assert ran == [b"ran [2]", b"ran 9", b"ran 2"]
        assert read.out.splitlines()[0] == values
        refusals = read.out.decode().splitlines()[1:]
        assert all(line.startswith("refused ") and "another Python" in line for line in refusals), refusals
        assert "double" in refusals[0] and "Shape.area" in refusals[1] and "count" in refusals[2]


def test_a_python_of_another_patch_version_goes_on_and_says_so(make, tmp_path):
    """Bytecode and frames are the same within a minor version."""
    here = make(PROGRAM)
    oracle, before = died(here)
    (tmp_path / "patched").mkdir()
    (tmp_path / "patched" / "sitecustomize.py").write_text(
        "import collections, sys\n"
        "kind = collections.namedtuple('version_info', 'major minor micro releaselevel serial')\n"
        "sys.version_info = kind(*sys.version_info[:2], 99, 'final', 0)\n"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path / "patched"), here.env.get("PYTHONPATH", "")]))
    restored = here.restore(env={"PYTHONPATH": path})
    assert (restored.status, before + restored.out) == (0, oracle), restored.err.decode()[-2000:]
    assert b".99: the program goes on as it was" in restored.err, restored.err.decode()


LIBRARY = """
__version__ = {version!r}

class Counter:
    def __init__(self):
        self.value = 0

    def step(self):
        self.value += {step}
        return self.value
"""

COUNTS = """
    import forkpoint, somelib

    counter = somelib.Counter()
    for i in range(4):
        forkpoint.checkpoint(wait=True)
        print("step", i, counter.step(), flush=True)
"""


REPLACED = """
        if i == 2 and somelib.__version__ == "1.0":
            import os, shutil
            shutil.copy("new.py", somelib.__file__)
            os.kill(os.getpid(), 9)
"""


def install(here, version, step):
    """A library whose objects are in the program's state, in place of the one that is there."""
    folder = here.work.parent / "lib" / "site-packages"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / f"somelib-{version}.dist-info").mkdir(parents=True)
    (folder / "somelib.py").write_text(LIBRARY.format(version=version, step=step))
    os.utime(folder / "somelib.py", (1e9, 1e9))  # as packages that are built reproducibly have it
    if str(folder) not in here.env.get("PYTHONPATH", ""):
        here.env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), here.env.get("PYTHONPATH", "")]))


def test_a_library_of_another_version_is_refused_by_name_unless_forced(make):
    here = make(COUNTS)
    install(here, "1.0", 1)
    oracle, before = died(here)
    install(here, "1.1", 5)
    for refused in (here.restore(), here.run("--resume", here.json("log")["runs"][0]["id"])):
        assert refused.status in (1, 125) and not refused.out, refused.err.decode()[-2000:]
        assert b"somelib was 1.0, is 1.1" in refused.err and b" --force" in refused.err
    copied = Path(f"{here.store}.kept")
    shutil.copytree(here.store, copied)
    forced = here.restore("--force")
    assert forced.out == b"step 2 7\nstep 3 12\n" and b"somelib was 1.0, is 1.1" in forced.err
    here.store = copied
    install(here, "1.0", 1)
    restored = here.restore("--accept-rollback")
    assert (restored.status, before + restored.out) == (0, oracle), restored.err.decode()[-2000:]


def test_a_restart_with_another_library_starts_anew(make):
    """Replaced while the program ran: the restart, which nobody watches, neither mixes versions nor ends it."""
    here = make(COUNTS.replace("        print", REPLACED + "        print"))
    install(here, "1.0", 1)
    (here.work / "new.py").write_text(LIBRARY.format(version="2.0.0", step=5))
    ran = here.run("--restarts", "1")
    assert ran.status == 0, ran.err.decode()[-2000:]
    assert ran.out == b"step 0 1\nstep 1 2\nstep 0 5\nstep 1 10\nstep 2 15\nstep 3 20\n", ran.out
    assert b"somelib was 1.0, is 2.0.0" in ran.err


def test_a_version_of_the_programs_own_is_no_library(make):
    """Its own modules come from the restore point, whatever lies there now."""
    here = make("__version__ = '1'\n" + PROGRAM.replace("\n    ", "\n"))
    oracle, before = died(here)
    (here.work / "program.py").write_text("__version__ = '2'\n")
    restored = here.restore()
    assert (restored.status, before + restored.out) == (0, oracle), restored.err.decode()[-2000:]
