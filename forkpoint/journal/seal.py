"""What the store's key says about bytes: keyed chunk ids, tags, and the chain of commits.

Three keys are derived from the store's key (BLAKE3's own key derivation), so that no value made for one purpose
can serve as another. Every tag covers the store id and a word for its meaning; parts are length-prefixed, so that
bytes cannot move from one part to the next.
"""

from __future__ import annotations

from _operator import _compare_digest  # hmac's, without loading OpenSSL in every committer

import blake3

from forkpoint.journal.cipher import Cipher

ID_BYTES = 32
TAG_BYTES = 32
KEY_BYTES = 32

Part = bytes | str | int | float | None


def key_id(key: bytes) -> str:
    """The name of a key, 32 hex digits, which says nothing about the key."""
    return blake3.blake3(key, derive_key_context="forkpoint store key name").hexdigest()[:32]


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """An unkeyed checksum, 32 bytes: proof against accidents only, and what `--trust` has to go by."""
    return blake3.blake3(data).digest()


def same(tag: bytes, claimed: object) -> bool:
    """Compare two tags in constant time. What a damaged row claims may be of any type, or missing: no tag then."""
    return isinstance(claimed, bytes) and _compare_digest(tag, claimed)


def _encoded(part: Part) -> bytes:
    if part is None:
        return b"n"
    if isinstance(part, bytes):
        return b"b" + part
    if isinstance(part, str):
        return b"s" + part.encode("utf-8", "surrogatepass")
    if isinstance(part, int):
        return b"i%d" % part
    return b"f" + repr(part).encode()


class Seal:
    """The store's key at work. Holds key material: never printed, never pickled. `cipher` is None where a store is not
    encrypted.
    """

    __slots__ = ("_id_key", "_store", "_tag_key", "cipher")

    def __init__(self, key: bytes, store: str, *, encrypted: bool = False) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a store's key has 32 bytes")
        self._id_key: bytes = blake3.blake3(key, derive_key_context="forkpoint chunk ids").digest()
        self._tag_key: bytes = blake3.blake3(key, derive_key_context="forkpoint tags").digest()
        self._store = store
        self.cipher = Cipher(key, store) if encrypted else None

    def chunk_id(self, digest: bytes) -> bytes:
        """The id, 32 bytes, of a chunk whose decoded bytes have this `digest`: keyed, so that it tells nobody what they
        are. Keying the digest and not the bytes spares those that are stored as they are a second pass.
        """
        return blake3.blake3(digest, key=self._id_key).digest()

    def tag(self, meaning: str, *parts: Part) -> bytes:
        """A tag over the store, what is being said, and the values it is said about, 32 bytes."""
        whole = bytearray()
        for part in (self._store, meaning, *parts):
            encoded = _encoded(part)
            whole += len(encoded).to_bytes(8, "little")
            whole += encoded
        return blake3.blake3(whole, key=self._tag_key).digest()

    def hide(self, meaning: str, text: str) -> str:
        """The text as it is kept: itself, or hidden in an encrypted store."""
        return text if self.cipher is None else self.cipher.hide(meaning, text)

    def show(self, meaning: str, kept: str) -> str:
        """The reverse of `hide`, of what a tag vouched for. Raises `IntegrityError`."""
        return kept if self.cipher is None else self.cipher.show(meaning, kept)

    def name(self, meaning: str, digest: str) -> str:
        """The name of a file that goes by an unkeyed digest, 32 hex digits: in an encrypted store nobody else finds out
        which digest.
        """
        return digest if self.cipher is None else self.tag(meaning, digest).hex()[:32]

    def __reduce__(self) -> str:
        raise TypeError("a store's key is never serialized")
