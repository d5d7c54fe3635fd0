"""The rules of the house that no linter knows, each with a machine that holds it."""

from __future__ import annotations

import ast
import collections
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = sorted((ROOT / "forkpoint").rglob("*.py"))
NATIVE = sorted((ROOT / "native").glob("*.[ch]"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Where a file is meant to be looked at again. Longer ones are named here with why they are one idea still.
LINES_MAX = 400
LONGER = {
    "native/layout.c": "the places of what containers and iterators hide, one table a type",
    "native/resume.c": "rebuilding one frame and running it, in the order it happens",
}

TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "README.md", "SECURITY.md",
    "forkpoint", "native", "pyproject.toml", "stress", "tests",
}  # fmt: skip

IMPORT_SECONDS_MAX = 0.150
HEAVY = {"numpy", "torch", "click", "sqlite3", "pysqlite3", "psutil"}


def tracked() -> list[Path]:
    """The files of the project, without what was built or stored beside them."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*PYTHON, *TESTS], ids=relative)
def test_every_file_says_its_idea_in_its_first_line(path: Path) -> None:
    if "programs" in path.parts or "unmodified" in path.parts or "refusals" in path.parts:
        pytest.skip("a program as users write them")
    text = path.read_text()
    said = ast.get_docstring(ast.parse(text), clean=False)
    assert said, f"{relative(path)} has no docstring"
    first = said.lstrip().splitlines()[0]
    assert 20 <= len(first) <= 120, first
    assert first[0] != " "


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_no_file_warns_where_it_is_compiled(path: Path) -> None:
    with warnings.catch_warnings(action="error"):
        compile(path.read_text(), str(path), "exec", dont_inherit=True)


@pytest.mark.parametrize("path", NATIVE, ids=relative)
def test_every_native_file_begins_with_a_comment(path: Path) -> None:
    assert path.read_text().startswith("/*")


@pytest.mark.parametrize("path", [*PYTHON, *NATIVE], ids=relative)
def test_no_file_became_the_project(path: Path) -> None:
    lines = path.read_text().count("\n")
    if relative(path) in LONGER:
        assert lines > LINES_MAX, f"{relative(path)} is short enough again: take it off the list"
    else:
        assert lines <= LINES_MAX, f"{relative(path)} has {lines} lines"


def test_every_faultpoint_is_visited_by_a_test_and_reached_in_the_code() -> None:
    from forkpoint.faultpoints import POINTS

    tests = "".join(path.read_text() for path in [*TESTS, *(ROOT / "stress").rglob("*.py")] if path != Path(__file__))
    code = "".join(path.read_text() for path in PYTHON if path.name != "faultpoints.py")
    assert not {name for name in POINTS if name not in tests}, "never visited"
    assert not {name for name in POINTS if f'"{name}"' not in code}, "never reached"


def test_no_machine_is_named() -> None:
    # Written in pieces, or this file would name them.
    names = "|".join(("/ro" + "ot/", "/wo" + "rk/", "/Us" + "ers/", r"\.inter" + r"nal\.", "index-" + "url"))
    machine = re.compile(rf"(?<![\w.])(?:{names})")
    found = []
    for path in tracked():
        if path.suffix in {".py", ".c", ".h", ".toml", ".md", ".txt", ".yml", ""} and path != Path(__file__):
            found += [f"{relative(path)}: {name}" for name in machine.findall(path.read_text(errors="replace"))]
    assert not found


def test_the_top_level_holds_nothing_else() -> None:
    assert {relative(path).split("/")[0] for path in tracked()} <= TOP_LEVEL


def test_the_tests_that_are_named_as_proof_are_there() -> None:
    named = [name for path in ("SECURITY.md", "stress/RESULTS.md") for name in _proofs(ROOT / path)]
    assert len(named) > 20
    for file, _, test in (name.partition("::") for name in named):
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{file} has no {test}"


def _proofs(path: Path) -> list[str]:
    """Paths of tests and stress programs in a page, as `tests/a.py::test_b`."""
    return re.findall(r"\b((?:tests|stress)/[\w/]+\.py(?:::\w+)?)", path.read_text())


def test_no_grab_bag() -> None:
    bags = {"utils", "util", "helpers", "common", "misc"}
    assert not [relative(path) for path in PYTHON if path.stem in bags]


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_no_failure_is_swallowed_whole(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in {"everything", "Exception", "BaseException"}, f"{relative(path)}:{node.lineno}"


def test_native_code_names_versions_in_their_places_only() -> None:
    version = re.compile(r"PY_VERSION_HEX|PY_MINOR_VERSION|0x030[0-9a-fA-F]")
    allowed = re.compile(r"compat\.h|frames_3\d\d\.h")
    elsewhere = [path for path in NATIVE if not allowed.fullmatch(path.name)]
    assert not [relative(path) for path in elsewhere if version.search(path.read_text())]


# What journal/ may ask of the system besides the disk: names, numbers, and what belongs to the process.
NO_FILE = {
    "environ", "_exit", "fsdecode", "fsencode", "geteuid", "getpid", "path", "register_at_fork",
    "set_inheritable", "stat_result",
}  # fmt: skip
NO_FILE_PATHS = {"abspath", "basename", "dirname", "expanduser", "isabs", "join", "realpath", "split"}
FILE_MODULES = {"fcntl", "io", "mmap", "pathlib", "shutil", "tempfile"}
PAST_THE_SEAM = {
    "committer.py": ({"os.pipe", "os.read", "os.write", "os.close"}, "pipes"),
    "connection.py": ({"tempfile", "open"}, "the private copy of a journal, in a temporary directory"),
    "filesystem.py": ({"open"}, "/proc"),
    "handover.py": ({"os.memfd_create", "os.write", "os.pread", "os.fstat", "os.close"}, "memfds"),
    "helper.py": ({"os.close"}, "a memfd"),
    "kept.py": ({"os.memfd_create", "os.lseek"}, "a memfd"),
    "lease.py": ({"open", "os.readlink"}, "/proc"),
}
"""Each with what it is that is no file of the store."""


def file_operations(source: str) -> set[str]:
    """What a file of the journal does to files without disk.py."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if node.attr not in NO_FILE and not node.attr.isupper():
                found.add(f"os.{node.attr}")
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os.path":
            found |= {f"os.path.{node.attr}"} - {f"os.path.{name}" for name in NO_FILE_PATHS}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.add("open")
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names} & FILE_MODULES
        elif isinstance(node, ast.ImportFrom):
            outside = {"os", "posix", "os.path", "forkpoint.journal.disk", *FILE_MODULES}
            found |= {str(node.module)} & outside
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "forkpoint" / "journal").glob("*.py")), ids=lambda path: path.name)
def test_the_store_s_files_are_reached_through_the_seam_alone(path: Path) -> None:
    allowed, _why = PAST_THE_SEAM.get(path.name, (set(), ""))
    if path.name != "disk.py":
        assert file_operations(path.read_text()) == allowed


@pytest.mark.parametrize(
    "line",
    ["os.rename(a, b)", "open('x')", "os.path.exists(x)", "import shutil", "from os import fsync", "import fcntl",
     "from forkpoint.journal.disk import fsync", "from pathlib import Path", "sync = os.fdatasync"],
)  # fmt: skip
def test_an_operation_past_the_seam_is_seen(line: str) -> None:
    assert file_operations(line)


CHANGES_A_FILE = ("rename", "unlink", "link", "truncate", "fsync", "fdatasync", "mkdir", "fallocate", "pwrite", "creat")


def test_native_code_changes_no_file() -> None:
    words = re.compile(rf"\b(?:SYS_|f|posix_)?(?:{'|'.join(CHANGES_A_FILE)})(?:at2?|v2?)?\b *[(,]|\bfopen *\(")
    no_code = re.compile(r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'""", re.DOTALL)
    assert words.search("syscall(SYS_unlinkat, fd)") and words.search("ftruncate(fd, 0)")
    assert not [relative(path) for path in NATIVE if words.search(no_code.sub("", path.read_text()))]


def in_a_new_interpreter(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_forkpoint_imports_nothing_heavy() -> None:
    modules = in_a_new_interpreter(
        "import sys, forkpoint\n"
        "for name in forkpoint.__all__: getattr(forkpoint, name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not HEAVY & set(modules.split())


def test_the_program_s_side_never_loads_sqlite() -> None:
    modules = in_a_new_interpreter("import sys, forkpoint.launch, forkpoint.engine\nprint(*sys.modules)").split()
    assert not {"sqlite3", "_sqlite3", "pysqlite3", "forkpoint.journal.connection"} & set(modules)


def cpu_seconds(*command: str) -> float:
    """CPU time of a process, the least of several: a busy machine only ever adds to it."""
    found = []
    for _ in range(9):
        before = os.times()
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        found.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(found)


def test_importing_forkpoint_is_quick() -> None:
    code = "import forkpoint\nfor name in forkpoint.__all__: getattr(forkpoint, name)"
    assert cpu_seconds("-c", code) - cpu_seconds("-c", "pass") < IMPORT_SECONDS_MAX


def test_help_is_quick() -> None:
    assert cpu_seconds("-m", "forkpoint", "--help") - cpu_seconds("-c", "pass") < IMPORT_SECONDS_MAX


def test_no_two_test_files_share_a_name() -> None:
    """`pytest` without arguments collects them all in one process, where a name is a module."""
    names = collections.Counter(path.name for path in TESTS if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []
