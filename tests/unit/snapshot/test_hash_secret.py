"""A started interpreter hashes as the one it continues, and shows no trace of how."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import forkpoint
from forkpoint.errors import RestoreFailed
from forkpoint.restore.hashsecret import environment_for

ASK = "import forkpoint._native as n, sys; print(hash('abc'), n.hash_secret().hex(), sys.flags.hash_randomization)"
LOOK = """
import os, subprocess, sys
print(hash('abc'))
print([name for name in os.environ if name in ("LD_PRELOAD", "FORKPOINT_HASH_SECRET")])
print(subprocess.run(["env"], capture_output=True, text=True).stdout.count("FORKPOINT_HASH_SECRET="))
print(subprocess.run([sys.executable, "-c", "print(hash('abc'))"], capture_output=True, text=True).stdout.strip())
print(os.environ.get("LD_PRELOAD"))
"""


def python(program: str, environment: dict[str, str], *options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *options, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    root = str(Path(forkpoint.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


@pytest.mark.parametrize("seed", [{}, {"PYTHONHASHSEED": "random"}], ids=["unset", "random"])
def test_an_interpreter_given_a_secret_hashes_with_it(environment: dict[str, str], seed: dict[str, str]) -> None:
    (first,) = python(ASK, environment | seed)
    secret = bytes.fromhex(first.split()[1])
    again = [python(ASK, environment | seed | environment_for(secret))[0] for _ in range(2)]
    assert again == [first, first]
    assert python(ASK, environment)[0] != first, "without the shim hashes are random, so the test means something"


def test_neither_the_program_nor_its_children_see_the_secret_or_the_shim(environment: dict[str, str]) -> None:
    given, seen, in_children, childs_hash, preload = python(LOOK, environment | environment_for(bytes(range(24))))
    assert (seen, in_children, preload) == ("[]", "0", "None")
    assert childs_hash != given


def test_the_memory_behind_proc_environ_no_longer_holds_the_secret(environment: dict[str, str]) -> None:
    secret = bytes(range(1, 25))
    program = "import pathlib; print(pathlib.Path('/proc/self/environ').read_text())"
    found = python(program, environment | environment_for(secret))
    assert secret.hex() not in "".join(found)


def test_a_preload_of_the_users_own_stays(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    own = "/lib/x86_64-linux-gnu/libm.so.6" if os.uname().machine == "x86_64" else "libm.so.6"
    monkeypatch.setenv("LD_PRELOAD", own)
    (first,) = python(ASK, environment)
    environment |= environment_for(bytes.fromhex(first.split()[1]))
    assert python(ASK, environment) == [first]
    assert python(LOOK, environment)[-1] == own


def test_randomness_after_the_hash_secret_is_the_kernels_own(environment: dict[str, str]) -> None:
    program = "import os, random; print(os.urandom(24).hex(), os.getrandom(24).hex(), random.random())"
    environment |= environment_for(bytes(24))
    drawn = {line for _ in range(3) for line in python(program, environment)[0].split()}
    assert len(drawn) == 9
    assert bytes(24).hex() not in drawn


def test_a_malformed_secret_is_ignored(environment: dict[str, str]) -> None:
    environment |= environment_for(bytes(24)) | {"FORKPOINT_HASH_SECRET": "zz" * 24}
    assert python(ASK, environment)[0] != python(ASK, environment)[0]


def test_a_path_the_linker_cannot_be_told_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkpoint, "__file__", "/home/my name/forkpoint/__init__.py")
    with pytest.raises(RestoreFailed, match="a space or a colon") as raised:
        environment_for(bytes(24))
    assert raised.value.hint
