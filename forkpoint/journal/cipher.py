"""What an encrypted store hides, and how: AES-256-GCM, with a key of its own for every message.

A store is encrypted from its first byte or never (FORMAT says which); `key rotate --encrypt` writes it anew.

Hidden: every record of every pack (objects, arrays, contents of files, manifests, indexes); of the journal, each run's
program, arguments, working directory, identity and facts, each restore point's label and place in the program; in
leases/, the logs of changed files, the copies kept with them, the cache of their chunks, and which runs came last under
which identity; in the quarantine, what was lost. Texts are padded to a multiple of 64 bytes. What a restore moves out
of the way is the user's own file still: of an encrypted store it goes beside the store, not into it.

Told to whoever reads the store without its key: that it is encrypted, its id and the name of its key; how many runs,
restore points, packs and chunks there are and which belong together, with their random ids; when and why (timer,
signal, call) each point was made, whether it is complete, whether it has a label; every size, decoded and compressed,
and so how well it compresses; process ids, exit statuses and forget plans. Ids of chunks are keyed hashes: equal chunks
have equal ids under one key (that of one store, unless FORKPOINT_KEY_FILE gives it to several), so that one sees what
stayed the same from point to point, and how large it is, but not whether it equals something one knows. Memory, swap
and the program's own files are not encrypted.

A message is encrypted for its `meaning`, and cannot be read for another:

    salt        16 random bytes
    key, nonce  the first 32 bytes and the 12 after them of BLAKE3(salt, meaning), keyed with the store's K
    K           BLAKE3(store id), keyed with BLAKE3's derivation from the store's key for "forkpoint encryption"
    tag         16 bytes, of AES-256-GCM

The meaning takes the place of associated data: another one gives another key. That of a record is the 56 bytes of its
head which come before salt and tag (record.py), its id among them, so that even a salt that came twice would not give
two contents one key. No key is used twice, so there are no nonces to count: not in packs that are written anew, nor in
forks, nor in records that a repair copies as they stand. Salts alone would repeat after some 2**64 messages.

`cryptography` is imported by `load` and by nobody else: never for a store that is not encrypted, in the program's
process when its engine starts (a forked child that imported it would pay for that at each commit, and could find the
import in the hands of a thread that it does not have), and in a committer only when it has to read what is hidden.
"""

from __future__ import annotations

import blake3

from forkpoint import errors
from forkpoint.journal import disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SALT_BYTES = 16
TAG_BYTES = 16
PROOF_BYTES = SALT_BYTES + TAG_BYTES

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PADDED_BYTES = 64
_END = b"\x80"
"""Ends a text, before the zeros that pad it."""

_algorithm: Any = None
_invalid_tag: Any = None
_letters: Any = None


def load() -> None:
    """Import what encrypts, once. Raises `ForkpointError` where it is not installed."""
    global _algorithm, _invalid_tag, _letters
    if _algorithm is None:
        import binascii

        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as problem:
            raise errors.ForkpointError(
                f"encrypted stores need the package cryptography: {problem}", hint="pip install 'forkpoint[encrypt]'"
            ) from None
        _algorithm, _invalid_tag, _letters = AESGCM, InvalidTag, binascii


class Cipher:
    """The encryption of one store. Holds key material: never printed, never pickled."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes, store: str) -> None:
        derived = blake3.blake3(key, derive_key_context="forkpoint encryption").digest()
        self._key: bytes = blake3.blake3(store.encode(), key=derived).digest()

    def _once(self, salt: bytes, meaning: bytes) -> tuple[Any, bytes]:
        """The algorithm with the key of one message, and its nonce."""
        load()
        material = blake3.blake3(salt + meaning, key=self._key).digest(length=_KEY_BYTES + _NONCE_BYTES)
        return _algorithm(material[:_KEY_BYTES]), material[_KEY_BYTES:]

    def encrypt(self, meaning: bytes, data: bytes | bytearray | memoryview) -> tuple[bytes, memoryview]:
        """(salt and tag, encrypted bytes), the latter as many as `data` has."""
        salt = disk.urandom(SALT_BYTES)
        algorithm, nonce = self._once(salt, meaning)
        whole = memoryview(algorithm.encrypt(nonce, data, None))
        return salt + bytes(whole[-TAG_BYTES:]), whole[:-TAG_BYTES]

    def decrypt(self, meaning: bytes, proof: bytes, data: bytes) -> bytes:
        """What was encrypted for this meaning. Raises `IntegrityError` for anything else; nothing of it comes out."""
        algorithm, nonce = self._once(proof[:SALT_BYTES], meaning)
        try:
            plain: bytes = algorithm.decrypt(nonce, data + proof[SALT_BYTES:], None)
        except _invalid_tag:
            raise errors.IntegrityError("encrypted bytes are damaged, or stand where others belong") from None
        return plain

    def hide(self, meaning: str, text: str) -> str:
        """A text that says nothing but about how long `text` is, in the letters of base64."""
        data = text.encode("utf-8", "surrogatepass") + _END
        data += bytes(-len(data) % _PADDED_BYTES)
        proof, hidden = self.encrypt(b"text " + meaning.encode(), data)
        letters: bytes = _letters.b2a_base64(proof + hidden, newline=False)
        return letters.decode()

    def show(self, meaning: str, hidden: str) -> str:
        """The text that was hidden. Raises `IntegrityError`."""
        load()
        try:
            data = _letters.a2b_base64(hidden)
            plain = self.decrypt(b"text " + meaning.encode(), data[:PROOF_BYTES], data[PROOF_BYTES:])
            return plain.rstrip(b"\0").removesuffix(_END).decode("utf-8", "surrogatepass")
        except (ValueError, TypeError) as problem:
            raise errors.IntegrityError(f"a hidden text cannot be read: {problem}") from None

    def __reduce__(self) -> str:
        raise TypeError("a store's key is never serialized")
