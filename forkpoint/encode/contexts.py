"""Context variables with the value they have here, context objects, and tokens that undo a change."""

from __future__ import annotations

import contextvars
from typing import Any

from forkpoint import _native
from forkpoint.encode.modules import library_object
from forkpoint.encode.reducers import Context, reduces


def make_variable(name: str, default: tuple[Any, ...]) -> Any:
    """A context variable that is not set."""
    return contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)


def set_variable(variable: Any, value: tuple[Any]) -> None:
    """The value in the context that restores, which is the main thread's."""
    variable.set(value[0])


@reduces(contextvars.ContextVar)
def _reduce_variable(obj: Any, context: Context) -> Any:
    place = context.variable(obj)
    if place is not None:
        return library_object, place
    here = contextvars.copy_context()
    try:
        default: tuple[Any, ...] = (contextvars.Context().run(obj.get),)
    except LookupError:
        default = ()
    if obj in here:
        return make_variable, (obj.name, default), (here[obj],), None, None, set_variable
    return make_variable, (obj.name, default)


def fill_context(target: Any, values: list[tuple[Any, Any]]) -> None:
    """Values of a context that is not the current one."""
    for variable, value in values:
        target.run(variable.set, value)


@reduces(contextvars.Context)
def _reduce_context(obj: Any, context: Context) -> Any:
    return contextvars.Context, (), list(obj.items()), None, None, fill_context


@reduces(contextvars.Token)
def _reduce_token(obj: Any, context: Context) -> Any:
    # Of the main thread's context, as far as anyone can use it after a restore: reset() works in no other.
    variable, old, used = _native.token_read(obj)
    return _native.token_make, (variable, old, bool(used))
