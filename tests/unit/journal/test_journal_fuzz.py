"""Parsers give our errors or values, whatever they read: what fuzzing found, and a short run of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from journal_program import ROOT

from forkpoint import errors

SCRIPT = Path(__file__).parents[3] / "stress" / "fuzz_parsers.py"
sys.path.insert(0, str(SCRIPT.parent))

import fuzz_parsers  # noqa: E402

sys.path.remove(str(SCRIPT.parent))

DEEP = b"[" * 100_000

FOUND = [
    ("index", bytes(32) + b"\x9b" * 24),  # an offset beyond what a file can have
    ("rows", b""),  # a sealed row whose arguments are no JSON
    ("rows", DEEP),
    (
        "rows",
        bytes.fromhex(
            "3364626538392801000000000000d03733643565ff5b22610000000000000000000000225dff7b7dff317032362d30315dff"
        ),
    ),  # a sealed row whose id is none: it would have been the name of a lease
    ("anchor", b"FKPANCHR" + b"\xc9" * 104),
    ("anchor", bytes(112)),
    ("quarantine", b"nothing of ours"),
    ("quarantine", b"[]"),
    ("known", b"FKPKNOWN" + b"\xff" * 32 + b"\0" * 4 + b"\1\0\0\0" + bytes(36)),
    ("contents", b"[]"),
    ("contents", DEEP),
    ("filelog", b"{}"),
    ("filelog", b"7"),
    ("manifest", DEEP),
    ("manifest", b"[]"),
    ("plan", DEEP),
    ("plan", b"[]"),
]


@pytest.fixture(scope="module")
def fixture(tmp_path_factory: pytest.TempPathFactory) -> fuzz_parsers.Fixture:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", "")
        patch.setenv("XDG_STATE_HOME", "")
        return fuzz_parsers.Fixture(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize(("target", "data"), FOUND, ids=[f"{name}-{place}" for place, (name, _) in enumerate(FOUND)])
def test_what_was_found_stays_mended(fixture: fuzz_parsers.Fixture, target: str, data: bytes) -> None:
    try:
        fuzz_parsers.TARGETS[target][0](fixture, data)
    except errors.ForkpointError:
        pass


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"packs":["', b'"packs":["../../../'),
        (b'"parent":"', b'"parent":"/'),
        (b'"length":', b'"length":1e999,"x":'),
        (b'"created_at":"', b'"created_at":7,"x":"'),
        (b'"kind":"buffer"', b'"kind":"pickle"'),
    ],
)
def test_a_manifest_that_nobody_vouches_for_names_no_paths(
    fixture: fuzz_parsers.Fixture, old: bytes, new: bytes
) -> None:
    """`restore --trust` reads them; what is an id becomes the name of a file."""
    assert old in fixture.manifest
    with pytest.raises(errors.IntegrityError):
        fuzz_parsers.fuzz_manifest(fixture, fixture.manifest.replace(old, new))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--seed", "3", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_short_run_finds_nothing_and_a_planted_bug_is_found() -> None:
    done = _run("--seconds", "2", "--only", "unkeyed", "--only", "manifest")
    assert done.returncode == 0, done.stdout + done.stderr
    planted = _run("--seconds", "1", "--plant")
    assert planted.returncode == 0 and "planted" in planted.stdout, planted.stdout + planted.stderr


def test_every_parser_has_a_target() -> None:
    """A module of the journal that takes bytes apart is among the targets."""
    text = SCRIPT.read_text()
    names = [path.stem for path in (ROOT / "forkpoint" / "journal").glob("*.py") if "loads(" in path.read_text()]
    names += [path.stem for path in Path(ROOT, "forkpoint", "journal").glob("*.py") if "unpack" in path.read_text()]
    apart = {"handover", "helper"}  # a memfd of this process's own, and what it started answered
    assert not {name for name in names if name not in text} - apart
