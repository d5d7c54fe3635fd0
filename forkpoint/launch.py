"""The program's process: becomes what `python script.py` would be, with an engine underneath.

`forkpoint run` and `forkpoint restore` exec this with an `Order` in a memfd.
From then on this process *is* the program: same PID, arguments, `__main__`, tracebacks and exit status as under plain
python. If forkpoint cannot protect the program, the program runs anyway and stderr says so.
"""

from __future__ import annotations

import atexit
import importlib.machinery
import io
import linecache
import os
import sys
import types
from collections.abc import Callable
from typing import NoReturn

import forkpoint
from forkpoint import _native, api, errors
from forkpoint import settings as choices
from forkpoint.engine import Engine
from forkpoint.journal.runs import RunInfo
from forkpoint.order import Order
from forkpoint.say import say

_NAME = "__main__"

_OWN_MAIN = sys.modules[_NAME]
"""Kept alive: the interpreter goes on using this module's dict once the program is over (pythonrun.c,
_PyRun_SimpleFileObject), and the program's `__main__` takes its place in `sys.modules`."""


def main(order_fd: int) -> None:
    """Carry out the order in `order_fd`. Returns, or raises, what the program does."""
    order = Order.from_fd(order_fd)
    if order.supervisor:
        _native.die_with(order.supervisor)
    engine = _engine(order)
    if order.kind == "restore":
        _finish(_come_back(order, engine), engine)
    else:
        _finish(lambda: run_program(*_prepare(order), engine), engine)


def _come_back(order: Order, engine: Engine | None) -> Callable[[], object]:
    """The program, ready to go on; ends this process with the error's own status when it cannot be."""
    if engine is None:
        raise SystemExit(errors.StartFailed.exit_status)
    try:
        return engine.come_back(order.plan_fd, order.cwd)
    except errors.ForkpointError as problem:
        say("\n".join(filter(None, (str(problem), problem.hint))))
        raise SystemExit(problem.exit_status) from None


def _engine(order: Order) -> Engine | None:
    """The engine of this process, or None, said on stderr, when there can be none."""
    try:
        engine = Engine.adopt(choices.from_plain(order.settings), RunInfo.from_fields(order.run), order.lease_fd)
    except (errors.ForkpointError, OSError) as problem:
        say(f"the program runs unprotected: {problem}")
        return None
    engine.supervisor = order.supervisor
    api.activate(engine)
    for name in forkpoint.__all__:  # a finalizer may ask for one when the interpreter imports nothing any more
        getattr(forkpoint, name)
    return engine


def run_program(code: types.CodeType, module: types.ModuleType, engine: Engine | None) -> None:
    """Run the program's main module, with no frame of ours below it."""
    if engine is not None:
        engine.begin()
    _native.run_code(code, module.__dict__)


def _finish(program: Callable[[], object], engine: Engine | None) -> None:
    """Run `program` and leave as plain python would: same traceback, same exit status, forkpoint's end told."""
    if engine is not None:
        atexit.register(engine.end)
        _watch_exit(engine)
    try:
        program()
    except SystemExit as leaving:
        if engine is not None:
            engine.leaving(status_of(leaving), finished=True)
        raise
    except BaseException as problem:
        if engine is not None:
            engine.leaving(130 if isinstance(problem, KeyboardInterrupt) else 1, finished=False)
        _hide_own_frames(problem)
        raise
    if engine is not None:
        engine.leaving(0, finished=True)


def status_of(leaving: SystemExit) -> int:
    """The exit status that CPython's handle_system_exit (Python/pythonrun.c) gives this SystemExit."""
    if leaving.code is None:
        return 0
    return leaving.code & 0xFF if isinstance(leaving.code, int) else 1


def _watch_exit(engine: Engine) -> None:
    """A program that calls os._exit has finished too, and nothing runs after it: note it down before."""
    really_exit = os._exit

    def _exit(status: int) -> NoReturn:
        if os.getpid() == engine.pid:
            engine.leaving(status & 0xFF, finished=True)
            engine.end(quick=True)
        really_exit(status)

    os._exit = _exit


def _hide_own_frames(problem: BaseException) -> None:
    """Let the interpreter print and report this exception without the frames that are ours."""
    show = sys.excepthook

    def excepthook(kind: type[BaseException], value: BaseException, trace: types.TracebackType | None) -> None:
        trace = strip(trace)
        value.__traceback__ = trace
        sys.excepthook = show
        sys.last_traceback = trace
        show(kind, value, trace)

    sys.excepthook = excepthook


def strip(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The part of a traceback that begins with the program's own first frame."""
    while trace is not None and _is_ours(trace.tb_frame):
        trace = trace.tb_next
    return trace


def _is_ours(frame: types.FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return frame.f_code.co_filename.endswith("/forkpoint/boot.py") or name.partition(".")[0] == "forkpoint"


def _prepare(order: Order) -> tuple[types.CodeType, types.ModuleType]:
    """Compile the program and make its `__main__`, as CPython's pymain_run_python (Modules/main.c) does."""
    module = types.ModuleType(_NAME)
    module.__dict__.update(__builtins__=sys.modules["builtins"], __annotations__={})
    _take_place(module)
    if order.kind == "module":
        return _prepare_module(order, module)
    sys.argv = [order.target, *order.arguments]
    if order.kind == "command":
        sys.argv[0] = "-c"
        _push_path("")
        module.__dict__.update(__loader__=importlib.machinery.BuiltinImporter)
        return _command(order.target), module
    if order.target == "-":
        _push_path("")
        module.__dict__.update(__loader__=importlib.machinery.BuiltinImporter)
        return compile(sys.stdin.buffer.read(), "<stdin>", "exec"), module
    if os.path.isdir(order.target) or _is_archive(order.target):
        _push_path(_absolute(order.target))
        return _module_code(_NAME, module)
    return _prepare_script(order.target, module)


def _take_place(module: types.ModuleType) -> None:
    """The program's `__main__` in place of ours, under every name: `__mp_main__` too where `site` imported much."""
    names = [name for name, known in list(sys.modules.items()) if known is _OWN_MAIN]
    sys.modules.update(dict.fromkeys(names, module))


def _command(source: str) -> types.CodeType:
    """What `-c` runs. From 3.13 on tracebacks show its lines (Python/pythonrun.c, _PyRun_SimpleString)."""
    code = compile(source, "<string>", "exec")
    register = getattr(linecache, "_register_code", None)
    if register is not None:
        register(code if hasattr(linecache, "_getline_from_code") else "<string>", source, "<string>")
    return code


def _prepare_script(path: str, module: types.ModuleType) -> tuple[types.CodeType, types.ModuleType]:
    _push_path(os.path.dirname(os.path.realpath(path)))
    path = _absolute(path)
    loader = importlib.machinery.SourceFileLoader(_NAME, path)
    module.__dict__.update(__file__=path, __cached__=None, __loader__=loader)
    with io.open_code(path) as stream:
        source = stream.read()
    return compile(source, path, "exec", dont_inherit=True), module


def _prepare_module(order: Order, module: types.ModuleType) -> tuple[types.CodeType, types.ModuleType]:
    _push_path(os.getcwd())
    sys.argv = ["-m", *order.arguments]
    return _module_code(order.target, module)


def _module_code(name: str, module: types.ModuleType) -> tuple[types.CodeType, types.ModuleType]:
    """Find a module to be run as `__main__`, as runpy._run_module_as_main does."""
    import runpy

    try:
        if name == _NAME:
            _, spec, code = runpy._get_main_module_details()  # type: ignore[attr-defined]
        else:
            _, spec, code = runpy._get_module_details(name, runpy._Error)  # type: ignore[attr-defined]
    except runpy._Error as problem:  # type: ignore[attr-defined]
        raise SystemExit(f"{sys.executable}: {problem}") from None
    if name != _NAME:
        sys.argv[0] = spec.origin
    module.__dict__.update(
        __file__=spec.origin, __cached__=spec.cached, __loader__=spec.loader, __package__=spec.parent, __spec__=spec
    )
    return code, module


def _absolute(path: str) -> str:
    """As CPython makes the path of a script absolute (Python/initconfig.c): put together, not normalized."""
    return path if os.path.isabs(path) else f"{os.getcwd()}/{path}"


def _push_path(entry: str) -> None:
    if not sys.flags.safe_path:
        sys.path.insert(0, entry)


def _is_archive(path: str) -> bool:
    import zipfile

    return os.path.isfile(path) and not path.endswith(".py") and zipfile.is_zipfile(path)
