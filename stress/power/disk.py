"""A disk that remembers: a file over FUSE whose every write, flush and note goes to a log, in order. Its own process.

    python stress/power/disk.py IMAGE FOLDER LOG

Begins with the bytes of IMAGE, which stays as it is. In FOLDER it shows `disk`, to lay a loop device over, and `notes`:
what is written there stands in the log between the writes of the disk, so that it is known what the disk had been told
when somebody said something. A note `bad HEX` is a command: the next write that holds these bytes fails with EIO.

The kernel's protocol is spoken here itself (include/uapi/linux/fuse.h, 7.31), one request at a time, so that nothing is
installed for it and the order of the log is the order in which requests were answered.

Log, little-endian: per event 1 byte kind (W, F, N), 8 bytes offset, 4 bytes length, the bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from power import mounts

EVENT = struct.Struct("<cQI")
WRITE, FLUSH, NOTE = b"W", b"F", b"N"

_WRITE_BYTES_MAX = 1 << 20
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_READ_WRITE = struct.Struct("<QQIIQII")
_INIT_IN = struct.Struct("<IIII")
_INIT_OUT = struct.Struct("<IIIIHHIIHHI28x")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE = 1, 2, 3, 4, 14, 15, 16
_RELEASE, _FSYNC, _FLUSH, _INIT, _OPENDIR, _RELEASEDIR, _INTERRUPT, _BATCH_FORGET = 18, 20, 25, 26, 27, 29, 36, 42
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_FOPEN_DIRECT_IO = 1
_ROOT, _DISK, _NOTES = 1, 2, 3
_NAMES = {b"disk": _DISK, b"notes": _NOTES}


class Disk:
    """Answers what the kernel asks."""

    def __init__(self, data: bytearray, log: int) -> None:
        self.data = data
        self.log = log
        self.bad: bytes | None = None

    def note(self, kind: bytes, offset: int, data: bytes | memoryview) -> None:
        os.writev(self.log, [EVENT.pack(kind, offset, len(data)), data])

    def attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o700 if node == _ROOT else stat.S_IFREG | 0o600
        size = len(self.data) if node == _DISK else 0
        return _ATTR.pack(node, size, size >> 9, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def write(self, node: int, offset: int, data: memoryview) -> None:
        if node == _NOTES:
            if data[:4] == b"bad ":
                self.bad = bytes.fromhex(bytes(data[4:]).decode())
            self.note(NOTE, 0, data)
            return
        if self.bad is not None and self.bad in bytes(data):
            self.bad = None
            raise OSError(errno.EIO, "a bad block")
        self.data[offset : offset + len(data)] = data
        self.note(WRITE, offset, data)

    def answer(self, opcode: int, node: int, body: memoryview) -> bytes:
        """What is answered to one request. Raises OSError with the errno to answer."""
        if opcode == _LOOKUP:
            found = _NAMES.get(bytes(body).rstrip(b"\0"))
            if found is None:
                raise OSError(errno.ENOENT, "no such file")
            return struct.pack("<QQQQII", found, 0, 3600, 3600, 0, 0) + self.attributes(found)
        if opcode in (_GETATTR, _SETATTR):
            return struct.pack("<QII", 3600, 0, 0) + self.attributes(node)
        if opcode in (_OPEN, _OPENDIR):
            return struct.pack("<QII", 0, _FOPEN_DIRECT_IO if opcode == _OPEN else 0, 0)
        if opcode == _READ:
            _, offset, size, *_ = _READ_WRITE.unpack_from(body)
            return bytes(self.data[offset : offset + size]) if node == _DISK else b""
        if opcode == _WRITE:
            _, offset, size, *_ = _READ_WRITE.unpack_from(body)
            self.write(node, offset, body[_READ_WRITE.size :][:size])
            return struct.pack("<II", size, 0)
        if opcode == _FSYNC:
            self.note(FLUSH, 0, b"")
            return b""
        if opcode == _INIT:
            major, minor, readahead, flags = _INIT_IN.unpack_from(body)
            assert (major, minor) >= (7, 31), f"FUSE {major}.{minor}"
            pages = _WRITE_BYTES_MAX >> 12
            flags &= _BIG_WRITES | _MAX_PAGES
            return _INIT_OUT.pack(7, 31, readahead, flags, 16, 12, _WRITE_BYTES_MAX, 1, pages, 0, 0)
        if opcode in (_FLUSH, _RELEASE, _RELEASEDIR):
            return b""
        raise OSError(errno.ENOSYS, "not needed for a disk")

    def serve(self, device: int) -> None:
        """Until the folder is unmounted."""
        buffer = bytearray(_WRITE_BYTES_MAX + 8192)
        while True:
            try:
                length = os.readv(device, [buffer])
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT):  # the request was taken back
                    continue
                raise
            _, opcode, unique, node, *_ = _IN.unpack_from(buffer)
            if opcode in (_FORGET, _BATCH_FORGET, _INTERRUPT):
                continue
            try:
                code, said = 0, self.answer(opcode, node, memoryview(buffer)[_IN.size : length])
            except OSError as error:
                code, said = -(error.errno or errno.EIO), b""
            with contextlib.suppress(FileNotFoundError):  # who asked was killed, and waits no more
                os.writev(device, [_OUT.pack(_OUT.size + len(said), code, unique), said])


def main() -> None:
    mounts.die_with_parent()
    image, folder, log = sys.argv[1:]
    disk = Disk(bytearray(Path(image).read_bytes()), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    device = os.open("/dev/fuse", os.O_RDWR)
    mounts.mount("power-disk", folder, "fuse", f"fd={device},rootmode=40000,user_id=0,group_id=0")
    print("ready", flush=True)
    disk.serve(device)


if __name__ == "__main__":
    main()
