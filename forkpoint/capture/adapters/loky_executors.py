"""joblib's processes (loky): an executor with nothing to do is asked for again, as `Parallel` asks for it; its next
task starts the workers.

`with Parallel(n_jobs=2)` keeps it from one call to the next, and a single call until the last result is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joblib import executor as executors
from joblib.externals.loky import reusable_executor

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.errors import Refused
from forkpoint.model import ReduceContext, Reducer

_TOLD: Final = {"timeout": "_timeout", "initializer": "_initializer", "initargs": "_initargs", "env": "_env"}
"""What `get_memmapping_executor` is given, and where the executor has it."""


def reduce_executor(executor: Any, context: ReduceContext) -> Any:
    """What it was asked for with. Raises errors.Refused while it is at work."""
    if executor._pending_work_items:
        raise Refused("joblib's processes are at work")
    if executor._flags.shutdown or executor._flags.broken is not None:
        return context.tombstone(executor, "its processes have been shut down")
    if executor is not reusable_executor._executor:
        return context.tombstone(executor, "joblib has another one in its place")
    told = {name: getattr(executor, attribute) for name, attribute in _TOLD.items()}
    known = {*told, *(told["env"] or ())}
    others = {name: value for name, value in (executors._executor_args or {}).items() if name not in known}
    folders = executor._temp_folder_manager
    used = (folders._temp_folder_root, folders._current_context_id, list(folders._cached_temp_folders))
    return make_executor, (executor._max_workers, told, others, used)


def make_executor(workers: int, told: dict[str, Any], others: dict[str, Any], used: tuple[Any, Any, list[Any]]) -> Any:
    """The executor of this process, with folders for arrays under the names that the program's calls have."""
    root, current, contexts = used
    made = executors.get_memmapping_executor(workers, temp_folder=root, **told, **others)
    for context in contexts:
        made._temp_folder_manager.register_new_context(context)
    made._temp_folder_manager.set_current_context(current)
    return made


class _Executors(Quiet):
    name = "loky_executors"
    module = "joblib.executor"

    def reducers(self) -> Mapping[type, Reducer]:
        return {executors.MemmappingExecutor: reduce_executor}


ADAPTER = _Executors()
