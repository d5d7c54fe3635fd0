"""Starting a process: while it is under way its pipes are numbers in local variables, which mean nothing elsewhere.

So no commit is taken inside. Found with joblib's resource tracker, whose `_launch` came back between `os.pipe()` and
`os.close()`.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any, Final

from forkpoint.capture.adapters._quiet import Quiet

_STARTS: Final = {
    "subprocess": ("Popen.__init__",),
    "multiprocessing.process": ("BaseProcess.start",),
    "multiprocessing.util": ("spawnv_passfds",),
    "multiprocessing.resource_tracker": ("ResourceTracker._launch", "ResourceTracker.ensure_running"),
    "multiprocessing.forkserver": ("ForkServer.ensure_running", "ForkServer.connect_to_new_process"),
    "multiprocessing.connection": ("Pipe",),
    "joblib.externals.loky.backend.resource_tracker": ("ResourceTracker._launch", "ResourceTracker.ensure_running"),
    "loky.backend.resource_tracker": ("ResourceTracker._launch", "ResourceTracker.ensure_running"),
}
"""Functions by module, as far as this version has them."""


def _code(module: Any, path: str) -> CodeType | None:
    found = module
    for name in path.split("."):
        found = getattr(found, name, None)
    code = getattr(found, "__code__", None)
    return code if isinstance(code, CodeType) else None


class _Starts(Quiet):
    name = "process_starts"
    module = "builtins"

    @property
    def inside(self) -> tuple[CodeType, ...]:
        """See `ambient.inside`."""
        loaded = [(sys.modules[module], paths) for module, paths in _STARTS.items() if module in sys.modules]
        found = [_code(module, path) for module, paths in loaded for path in paths]
        return tuple(code for code in found if code is not None)


ADAPTER = _Starts()
