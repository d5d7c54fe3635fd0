"""Starting an interpreter with the hash secret of another one."""

from __future__ import annotations

import os
from pathlib import Path

import forkpoint
from forkpoint.errors import RestoreFailed


def environment_for(secret: bytes) -> dict[str, str]:
    """What to set for `python` to start with `secret` (`_native.hash_secret()` of the run it continues).

    For runs whose PYTHONHASHSEED was unset or `random`; the caller removes a PYTHONHASHSEED that is set now. Neither
    variable is left in the started process's environment (native/hashseed.c). Raises `RestoreFailed` when forkpoint
    is installed where the dynamic linker cannot be told of it.
    """
    shim = str(Path(forkpoint.__file__).with_name("_hashseed.so"))
    if any(separator in shim for separator in ": "):
        raise RestoreFailed(
            f"the hash secret cannot be put back: {shim} has a space or a colon in its path",
            hint="install forkpoint in a directory without them",
        )
    preload = os.environ.get("LD_PRELOAD", "")
    return {
        "FORKPOINT_HASH_SECRET": secret.hex(),
        "LD_PRELOAD": f"{shim}:{preload}" if preload else shim,
    }
