"""Hashes are carried out of memory that was in use for something else before, and never become other ones."""

from __future__ import annotations

import hashlib
import hmac
import random
from typing import Any

import pytest

from forkpoint.encode import cstate, digests, tombstones


class Context:
    """Takes note of tombstones."""

    def tombstone(self, obj: Any, reason: str) -> tuple[Any, ...]:
        return tombstones.make, ("?", "?", reason)


def again(obj: Any) -> Any:
    function, arguments = digests._reduce(obj, Context())
    return function(*arguments)


def test_hashes_come_back_whatever_malloc_left_in_their_blocks() -> None:
    chance = random.Random(5)
    noise: list[Any] = []
    for _ in range(150):
        noise.append(
            [*(chance.randbytes(chance.randrange(600)) for _ in range(30)), hashlib.new("sha512"), hashlib.md5()]
        )
        if len(noise) > 20:
            noise.pop(chance.randrange(20))
        name = chance.choice(("md5", "sha1", "sha256", "sha512", "sha3_256"))
        data = chance.randbytes(chance.choice((0, 3, 64, 127, 5000)))
        one: Any = hashlib.new(name, data)
        for obj in (one, hmac.new(b"k", data, name)._hmac):  # type: ignore[attr-defined]
            made = again(obj)
            made.update(b"more")
            obj.update(b"more")
            assert made.digest() == obj.digest(), name


def test_another_build_of_the_library_makes_a_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    function, arguments = digests._reduce(hashlib.sha256(b"data"), Context())
    monkeypatch.setattr(cstate, "identity", lambda libraries: "another")
    made = function(*arguments)
    assert type(made) is tombstones.Absent
    assert "another build" in tombstones.describe(made)[2]


def test_a_state_that_gives_another_digest_makes_a_tombstone() -> None:
    function, (module, name, state, _) = digests._reduce(hashlib.sha256(b"data"), Context())
    made = function(module, name, state, hashlib.sha256(b"other").digest())
    assert type(made) is tombstones.Absent
