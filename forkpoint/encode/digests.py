"""Hashes in the middle of their data (hashlib, hmac): no library shows their state, so it is carried from its memory.

Proved twice: when saving, by making another and comparing digests, also of more data; when restoring, by the digest.
Where that fails, as with another build of OpenSSL, there is a tombstone, and never another hash.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import tombstones
from forkpoint.encode.cstate import Opaque, Shape, put, take
from forkpoint.encode.reducers import Context, reduces_named

_MORE: Final = b"x" * 1000
_LENGTH: Final = 32
"""Bytes asked of a hash that gives as many as one wants."""
_HEAD_BYTES: Final = object.__basicsize__
_TABLES_BYTES: Final = 1 << 14

_POINTED: Final = Shape(((_HEAD_BYTES, 8),), _TABLES_BYTES, ("libcrypto", "_hashlib"))
_SHA2: Final = ("sha224", "sha256", "sha384", "sha512")
_TYPES: Final = {
    "_hashlib": ("HASH", "HASHXOF", "HMAC"),
    "_blake2": ("blake2b", "blake2s"),
    "_md5": ("md5",),
    "_sha1": ("sha1",),
    "_sha2": ("SHA224Type", "SHA256Type", "SHA384Type", "SHA512Type"),
    "_sha256": _SHA2,
    "_sha512": _SHA2,
    "_sha3": ("sha3_224", "sha3_256", "sha3_384", "sha3_512", "shake_128", "shake_256"),
}


def _shape(obj: Any) -> Shape:
    kind = type(obj)
    if kind.__module__ == "_hashlib":
        return _POINTED
    windows: tuple[tuple[int, int], ...] = ((_HEAD_BYTES, kind.__basicsize__ - _HEAD_BYTES),)
    # Numbers in the object itself, until 3.12 gave all but BLAKE2 blocks of their own (Modules/sha2module.c).
    plain = kind.__module__ == "_blake2" or sys.version_info < (3, 12)
    if not plain:
        words = memoryview(_native.memory_read(id(obj), kind.__basicsize__)).cast("Q")
        pointers = [at for at in range(_HEAD_BYTES // 8, len(words)) if _native.heap_size(words[at])]
        windows = tuple((at * 8, 8) for at in pointers)
    return Shape(windows, _TABLES_BYTES, (kind.__module__,), plain=plain)


def _fresh(module: str, name: str) -> Any:
    """An object of that algorithm that was given nothing."""
    if module != "_hashlib":
        return getattr(importlib.import_module(module), name)()
    import _hashlib

    if name.startswith("hmac-"):
        return _hashlib.hmac_new(b"", b"", name.removeprefix("hmac-"))
    return _hashlib.new(name)


def digest_of(obj: Any) -> bytes:
    """The digest, of some length."""
    return bytes(obj.digest() if obj.digest_size else obj.digest(_LENGTH))


def _made(module: str, name: str, state: Any) -> Any:
    target = _fresh(module, name).copy()
    put(target, _shape(target), state)
    return target


def make(module: str, name: str, state: Any, expected: bytes) -> Any:
    """The hash where it was, or a tombstone."""
    try:
        made = _made(module, name, state)
        if digest_of(made.copy()) != expected:
            raise Opaque("what came back has another digest")
    except Exception as error:
        return tombstones.make(f"a {name} hash", f"{module}.{name}", f"its state could not be brought back: {error}")
    return made


@reduces_named(_TYPES)
def _reduce(obj: Any, context: Context) -> Any:
    module, name = type(obj).__module__, obj.name
    copy, twin = obj.copy(), obj.copy()
    try:
        state = take(copy, twin, _fresh(module, name).copy(), _fresh(module, name).copy(), _shape(copy))
        made = _made(module, name, state)
    except (Opaque, OSError) as error:
        return context.tombstone(obj, f"the state of a hash is in memory of its library: {error}")
    expected = digest_of(twin)
    if digest_of(made.copy()) != expected:
        return context.tombstone(obj, "the state of a hash is in memory of its library, and could not be read there")
    made.update(_MORE)
    copy.update(_MORE)
    if digest_of(made) != digest_of(copy):
        return context.tombstone(obj, "the state of a hash is in memory of its library, and could not be read there")
    return make, (module, name, state, expected)
