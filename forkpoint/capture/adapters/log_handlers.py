"""Logging as the program configured it: levels, handlers, filters, factories; handlers on sys.stderr stay on it.

Loggers are named (`getLogger` finds them again); what they were given is ambient state. Loggers that are as a
library's import leaves them are not touched, since importing the library again does the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_logging: Any = logging
_STRUCTURE: Final = frozenset({"name", "parent", "manager", "root", "_cache"})
"""What ties a logger into the tree; made again by getLogger."""

_VARYING: Final = _STRUCTURE | {"handlers"}

_GLOBALS: Final = (
    "raiseExceptions",
    "_loggerClass",
    "_logRecordFactory",
    "lastResort",
    "logThreads",
    "logMultiprocessing",
    "logProcesses",
    "logAsyncioTasks",
)
_scale: Final = 1e9 if isinstance(_logging._startTime, int) else 1.0  # 3.13 counts nanoseconds


def reduce_logger(logger: logging.Logger, context: ReduceContext) -> Any:
    """A logger of the tree by its name; one outside of it (logging.Logger("x")) by its attributes."""
    if logging.getLogger(logger.name) is logger or logger is logging.root:
        return make_logger, (None if logger is logging.root else logger.name,)
    return object.__new__, (type(logger),), attributes(logger, frozenset({"_cache"})), None, None, fill_logger


def make_logger(name: str | None) -> logging.Logger:
    """The logger of that name in this process; the root logger for None."""
    return logging.getLogger(name)


def fill_logger(logger: Any, state: Any) -> None:
    """A logger outside of the tree."""
    fill(logger, state)
    logger._cache = {}


def reduce_handler(handler: logging.Handler, context: ReduceContext) -> Any:
    """Any handler by its attributes: its stream, formatter and lock are objects like others."""
    return make_handler, (type(handler),), attributes(handler), None, None, fill_handler


def make_handler(cls: type) -> Any:
    """A handler without its attributes."""
    return object.__new__(cls)


def fill_handler(handler: Any, state: Any) -> None:
    """Its attributes, and its place among the handlers that are flushed at exit and found by name."""
    fill(handler, state)
    _logging._addHandlerRef(handler)
    if getattr(handler, "_name", None):
        _logging._handlers[handler._name] = handler
    _logging._register_at_fork_reinit_lock(handler)


def _untouched(logger: logging.Logger, plain: Mapping[str, Any]) -> bool:
    """Is it as one that was just made, whose attributes are `plain`? Libraries have hundreds of them."""
    given: dict[str, Any] = logger.__dict__
    for key, value in given.items():
        if key not in _VARYING and (key not in plain or plain[key] != value):
            return False
    return all(type(handler) is logging.NullHandler for handler in logger.handlers)


class _LogHandlers(Quiet):
    name = "log_handlers"
    module = "logging"

    def reducers(self) -> Mapping[type, Reducer]:
        return {logging.Logger: reduce_logger, logging.Handler: reduce_handler}

    def capture(self, before: None) -> dict[str, Any]:
        manager = logging.Logger.manager
        plain = _logging.Logger("").__dict__
        loggers: dict[str | None, Any] = {None: logging.root}
        every = [
            (name, logger) for name, logger in list(manager.loggerDict.items()) if isinstance(logger, logging.Logger)
        ]
        loggers |= {name: logger for name, logger in every if not _untouched(logger, plain)}
        return {
            "classes": {name: type(logger) for name, logger in every if type(logger) is not logging.Logger},
            "loggers": {
                name: {key: value for key, value in logger.__dict__.items() if key not in _STRUCTURE}
                for name, logger in loggers.items()
            },
            "disable": manager.disable,
            "globals": {name: getattr(logging, name) for name in _GLOBALS if hasattr(logging, name)},
            "levels": (dict(_logging._levelToName), dict(_logging._nameToLevel)),
            "captures_warnings": _logging._warnings_showwarning is not None,
            "running_seconds": time.time() - _logging._startTime / _scale,
        }

    def restore(self, state: dict[str, Any]) -> None:
        logging.captureWarnings(state["captures_warnings"])
        for name, value in state["globals"].items():
            setattr(logging, name, value)
        for table, saved in zip((_logging._levelToName, _logging._nameToLevel), state["levels"], strict=True):
            table.clear()
            table.update(saved)
        for name, kind in state.get("classes", {}).items():
            logger = logging.getLogger(name)
            if type(logger) is not kind:
                logger.__class__ = kind
        for name, given in state["loggers"].items():
            logging.getLogger(name).__dict__.update(given)
        logging.Logger.manager.disable = state["disable"]
        _logging.Logger.manager._clear_cache()
        started = (time.time() - state["running_seconds"]) * _scale
        _logging._startTime = int(started) if _scale > 1 else started


ADAPTER = _LogHandlers()
