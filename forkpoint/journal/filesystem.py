"""Where a store must not be: on a filesystem shared over a network, whose locks and shared memory deceive SQLite."""

from __future__ import annotations

import os

from forkpoint import errors

NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gfs", "gfs2", "ocfs2",
     "glusterfs", "beegfs", "gpfs", "pvfs2", "orangefs", "wekafs", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph",
     "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.davfs2", "fuse.juicefs", "fuse.beegfs", "fuse.goofys",
     "fuse.mount-s3", "fuse.blobfuse2", "fuse.curlftpfs")
)  # fmt: skip


def _unescaped(field: str) -> str:
    for escape, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, char)
    return field


def kind(path: str, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the filesystem `path` lies on (`ext4`, `nfs4`, ...), or `unknown`."""
    path = os.path.realpath(path)
    best, found = "", "unknown"
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                left, _, right = line.partition(" - ")
                mount = _unescaped(left.split()[4])
                inside = path == mount or path.startswith(mount.rstrip("/") + "/")
                if inside and len(mount) >= len(best):
                    best, found = mount, right.split()[0]
    except OSError:
        return "unknown"
    return found


def check_local(path: str) -> None:
    """Raise `StartFailed` where the journal would not be safe."""
    name = kind(path)
    if name in NETWORK:
        raise errors.StartFailed(
            f"{path} lies on a network filesystem ({name}), where the journal would not be safe",
            hint="keep the store on a local disk: --store DIR or FORKPOINT_STORE",
        )
