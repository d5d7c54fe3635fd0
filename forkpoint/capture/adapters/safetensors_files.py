"""Files that safetensors writes in Rust, as all of Hugging Face's libraries do: noted before they are opened."""

from __future__ import annotations

from typing import Any

from safetensors import _safetensors_rust

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet

_rust: Any = _safetensors_rust


class _Files(Quiet):
    name = "safetensors_files"
    module = "safetensors._safetensors_rust"

    def before_fork(self) -> None:
        """What was written before the first commit point belongs to no restore point. Where the function is of another
        kind than it was, its files are like all that C code writes: told of, and left as they are.
        """
        _native.announce_function(_rust.serialize_file, 1, "filename")

    def restore(self, state: None) -> None:
        self.before_fork()


ADAPTER = _Files()
