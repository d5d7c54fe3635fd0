"""The verbs a program may use, and the one active engine they act on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forkpoint import errors, faultpoints, registry
from forkpoint.point import Checkpoint

if TYPE_CHECKING:
    from forkpoint.engine import Engine
    from forkpoint.journal.home import Home
    from forkpoint.model import Reducer

_engine: Engine | None = None


def activate(engine: Engine) -> None:
    """Make `engine` the one of this process."""
    global _engine
    _engine = engine


def _disabled() -> bool:
    return os.environ.get("FORKPOINT_DISABLE", "") not in ("", "0")


def _active(**arguments: Any) -> Engine:
    """The active engine; in a plain `python` run the first call begins a run in the default store."""
    global _engine
    if _engine is None or _engine.pid != os.getpid():
        from forkpoint import settings as choices
        from forkpoint.engine import Engine

        _engine = Engine.begin_run(choices.load(arguments))
    return _engine


def checkpoint(label: str | None = None, *, wait: bool = False) -> Checkpoint:
    """Take a restore point here; returns at once, while a forked child writes it (`wait=True`: when it is durable).

    Like fork() this returns twice: in the program, and again in every process restored from this point, there with
    `.restored` True. Where the call stack cannot be resumed it warns with `NotResumableWarning`, and the point has
    `id` None, `durable` False and a `reason`. With `wait=True` it warns of objects that could not be saved, once each
    (`NotCapturedWarning`, naming their path); otherwise stderr says so. It raises only under `on_error="raise"`, and
    where the program's own filters make errors of warnings. If the process dies inside
    this call, the point is fully there or not at all.
    """
    if _disabled():
        return Checkpoint(None, reason="FORKPOINT_DISABLE is set")
    try:
        engine = _active()
        point = engine.commit("explicit", label=label)
    except errors.Refused as refused:
        warnings.warn(f"no restore point: {refused}", errors.NotResumableWarning, stacklevel=2)
        return Checkpoint(None, reason=str(refused))
    except Exception as problem:
        if _engine is not None and _engine.settings.on_error == "raise":
            raise
        expected = isinstance(problem, errors.ForkpointError | OSError)
        reason = str(problem) if expected else f"{type(problem).__name__}: {problem}".removesuffix(": ")
        warnings.warn(f"no restore point: {reason}", errors.NotDurableWarning, stacklevel=2)
        return Checkpoint(None, reason=reason)
    if wait and point.wait():
        faultpoints.reach("program.durable")
        engine.losses.warn(stacklevel=2)
    return point


def start(**settings: Any) -> None:
    """Begin automatic commits in this process, as `forkpoint run` does (same names: store, every, max_overhead ...)."""
    if not _disabled():
        _active(**settings).begin()


def stop() -> None:
    """No automatic commit begins after this returns; a child at work finishes its own."""
    if _engine is not None:
        _engine.pause()


def restored() -> bool:
    """Whether this process came back from a restore point."""
    return _engine is not None and _engine.restored


def on_restore(function: Callable[[], object]) -> Callable[[], object]:
    """Call `function()` in a restored process once all state is back, before the program goes on. A decorator, too."""
    registry.after_restore.append(function)
    return function


def register(cls: type, adapter: Reducer) -> None:
    """Save instances of `cls` by `adapter(obj, context)`, which returns what `__reduce_ex__` would."""
    registry.adapters[cls] = adapter


def exclude(*what: object) -> None:
    """Leave objects out of restore points: by path (`"trainer.cache"`) or the object itself."""
    for item in what:
        if isinstance(item, str):
            registry.excluded_paths.append(item)
        else:
            registry.excluded_objects.append(item)


def log(run: str | None = None, *, store: str | None = None) -> list[dict[str, Any]]:
    """The runs of a store with their restore points, newest first, as `forkpoint log --json` gives them.

    `run` is the beginning of a run's id. Another process is asked: this one never opens the journal, since closing
    a file of it would drop the locks of a commit under way.
    """
    from forkpoint.journal import helper

    runs: list[dict[str, Any]] = helper.ask(_store(store), "runs")
    return [found for found in runs if run is None or found["id"].startswith(run)]


def load(ref: str, name: str | None = None, *, store: str | None = None) -> Any:
    """The global variable `name` of the program at restore point `ref`; without a name, all of them in a dict.

    New objects each time: the program's own variables are not touched. Runs code from the restore point, once its
    bytes are authenticated. Raises `UnknownReference`, `IntegrityError`, `KeyMissing`, or KeyError for no such name.
    """
    from forkpoint.journal import helper, lease
    from forkpoint.restore import variables

    home = _store(store)
    reading = lease.acquire_reader(home)
    try:
        found = variables.read(home, helper.ask(home, "plan", reference=ref).encode("utf-8", "surrogatepass"))
    finally:
        lease.release_reader(home, reading)
    return found if name is None else found[name]


def _store(path: str | None) -> Home:
    """The store that is asked: the one named, the active engine's, or the default."""
    if path is None and _engine is not None:
        return _engine.store
    from forkpoint import settings as choices
    from forkpoint.journal import home

    return home.open_home(str(choices.load({"store": path}).store))
