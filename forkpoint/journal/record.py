"""One record of a pack: a 128-byte head, then the stored bytes.

    offset size
         0    4  magic "FKPR"
         4    1  record version, 2
         5    1  type: 1 chunk of a pickle stream, 2 chunk of a buffer, 3 manifest, 4 index
         6    1  codec: 0 raw, 1 zstd, 2 byte-shuffled zstd; with the highest bit, of an encrypted store
         7    1  item size in bytes (for the shuffle; 1 otherwise)
         8    8  stored length, bytes that follow the head
        16    8  length, bytes after decoding
        24   32  id: keyed BLAKE3 of the unkeyed BLAKE3 of the decoded bytes
        56   32  proof of the stored bytes: their unkeyed BLAKE3; or, encrypted, salt and tag of AES-GCM (cipher.py)
        88    4  CRC-32 of the bytes before it, for a scan without the key
        92    4  zero
        96   32  tag: keyed BLAKE3 over the store id, the word "record" and the 96 bytes before it

Little-endian. The tag binds store, type, codec, lengths and id directly, and the stored bytes through their proof: one
pass over the payload. Reading checks in this order: tag, lengths against their limit, proof, then decoding, then the
id. Nothing is allocated, decompressed or parsed before what it depends on was authenticated.

Encrypted is what a codec made, for the meaning that the 56 bytes before the proof have: compressed first, and of the
same length. In an encrypted store every record is; one that is not is refused, as is an encrypted one elsewhere.
"""

from __future__ import annotations

import struct
import zlib

from forkpoint import errors, limits
from forkpoint.journal import codec, seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from forkpoint.journal.cipher import Cipher

OBJECTS = 1
BUFFER = 2
MANIFEST = 3
INDEX = 4

_MAGIC = b"FKPR"
_VERSION = 2
_HEAD = struct.Struct("<4sBBBBQQ32s32sI4x")
_ENCRYPTED = 0x80
_MEANT_BYTES = 56
_CHECKED_BYTES = 88
_TAGGED_BYTES = 96
HEAD_BYTES = 128
assert _HEAD.size == _TAGGED_BYTES == HEAD_BYTES - seal.TAG_BYTES


class Head:
    """What a record's authenticated head says."""

    __slots__ = ("codec", "encrypted", "id", "itemsize", "length", "meaning", "proof", "stored", "type")

    def __init__(
        self, type: int, codec: int, itemsize: int, stored: int, length: int, id: bytes, proof: bytes, meaning: bytes
    ) -> None:
        self.type = type
        self.codec = codec & ~_ENCRYPTED
        self.encrypted = bool(codec & _ENCRYPTED)
        self.itemsize = itemsize
        self.stored = stored
        self.length = length
        self.id = id
        self.proof = proof
        self.meaning = meaning

    @property
    def kind(self) -> Literal["objects", "buffer"]:
        """What a chunk is, as `model.ChunkSink.put` takes it."""
        return "buffer" if self.type == BUFFER else "objects"


def _limit(type: int) -> int:
    return limits.RECORD_BYTES_MAX if type in (OBJECTS, BUFFER) else limits.MANIFEST_BYTES_MAX


def make(
    key: seal.Seal,
    encoder: codec.Encoder,
    type: int,
    data: bytes | bytearray | memoryview,
    digest: bytes,
    itemsize: int,
) -> tuple[bytes, bytes | bytearray | memoryview]:
    """A record of `data`, whose digest is known, as (head, stored bytes)."""
    if len(data) > _limit(type):
        raise ValueError(f"{len(data)} bytes are more than one record holds")
    used, stored = encoder.encode(data, itemsize, numbers=type == BUFFER)
    id = key.chunk_id(digest)
    if key.cipher is not None:
        used |= _ENCRYPTED
    meaning = struct.pack("<4sBBBBQQ32s", _MAGIC, _VERSION, type, used, itemsize, len(stored), len(data), id)
    if key.cipher is not None:
        proof, stored = key.cipher.encrypt(meaning, stored)
    else:
        proof = digest if used == codec.RAW else seal.digest(stored)
    first = meaning + proof
    tagged = first + struct.pack("<I4x", zlib.crc32(first))
    return tagged + key.tag("record", tagged), stored


def read_head(key: seal.Seal, raw: bytes) -> Head:
    """The head of a record. Raises `IntegrityError` unless every byte of it is as it was written."""
    if len(raw) != HEAD_BYTES:
        raise errors.IntegrityError("a record is cut short")
    tagged = raw[:_TAGGED_BYTES]
    if not seal.same(key.tag("record", tagged), raw[_TAGGED_BYTES:]):
        raise errors.IntegrityError("a record's head is damaged or was not written with this store's key")
    return _fields(tagged)


def unkeyed_head(raw: bytes) -> Head:
    """The head of a record of a store whose key is not here: vouched for by its CRC alone. Only `unkeyed.py` asks."""
    if len(raw) != HEAD_BYTES:
        raise errors.IntegrityError("a record is cut short")
    if zlib.crc32(raw[:_CHECKED_BYTES]) != int.from_bytes(raw[_CHECKED_BYTES : _CHECKED_BYTES + 4], "little"):
        raise errors.IntegrityError("a record's head is damaged")
    return _fields(raw[:_TAGGED_BYTES])


def _fields(tagged: bytes) -> Head:
    magic, version, type, used, itemsize, stored, length, id, proof, _crc = _HEAD.unpack(tagged)
    if magic != _MAGIC or version != _VERSION:
        raise errors.IntegrityError(f"a record of unknown version {version}")
    if length > _limit(type) or stored > _limit(type) or itemsize < 1:
        raise errors.IntegrityError("a record declares more bytes than a record may hold")
    return Head(type, used, itemsize, stored, length, id, proof, tagged[:_MEANT_BYTES])


def read_payload(key: seal.Seal, head: Head, stored: bytes) -> bytes:
    """The decoded bytes of a record. Raises `IntegrityError` unless they are what was written."""
    if head.encrypted != (key.cipher is not None):
        raise errors.IntegrityError("a record is encrypted where none is, or is not where all are")
    data = unkeyed_payload(head, stored) if key.cipher is None else _decrypted(key.cipher, head, stored)
    digest = head.proof if head.codec == codec.RAW and key.cipher is None else seal.digest(data)
    if not seal.same(key.chunk_id(digest), head.id):
        raise errors.IntegrityError("a record's content is not what its id says")
    return data


def _decrypted(cipher: Cipher, head: Head, stored: bytes) -> bytes:
    if len(stored) != head.stored:
        raise errors.IntegrityError("a record's content is damaged")
    return codec.decode(head.codec, head.itemsize, cipher.decrypt(head.meaning, head.proof, stored), head.length)


def unkeyed_payload(head: Head, stored: bytes) -> bytes:
    """The decoded bytes of a record, as its head vouches for them by their digest."""
    if head.encrypted:
        raise errors.IntegrityError("a record is encrypted, and nothing of it can be read without its key")
    if len(stored) != head.stored or not seal.same(seal.digest(stored), head.proof):
        raise errors.IntegrityError("a record's content is damaged")
    return codec.decode(head.codec, head.itemsize, stored, head.length)
