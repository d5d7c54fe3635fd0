"""Type parameters made by the program: pickle only knows their names."""

from __future__ import annotations

import contextlib
import typing
from typing import Any

from forkpoint import _native
from forkpoint.encode import library
from forkpoint.encode.modules import library_object
from forkpoint.encode.names import follow, import_named
from forkpoint.encode.reducers import Context, reduces

_PARAMETERS = tuple(
    getattr(typing, name) for name in ("TypeVar", "ParamSpec", "TypeVarTuple", "TypeAliasType") if hasattr(typing, name)
)


def make_parameter(kind: Any, name: str, module: str | None, options: Any) -> Any:
    """A type parameter as its constructor makes it, attributed to the module it was made in."""
    parameter = kind(name, **options)
    if module is not None:
        try:
            parameter.__module__ = module
        except AttributeError:
            pass
    return parameter


def fill_variable(variable: Any, parts: tuple[tuple[Any, ...], ...]) -> None:
    """Its bound, constraints and default; of what nobody has asked for yet, the function that will tell it."""
    _native.variable_fill(variable, parts)


def make_alias(kind: Any, name: str) -> Any:
    """A type alias without its value, which may speak of the alias itself."""
    return kind(name, None)


def fill_alias(alias: Any, state: tuple[Any, ...]) -> None:
    """Its module, type parameters, and value; for a value nobody has asked for yet, the function that will tell it."""
    _native.alias_fill(alias, *state)


@reduces(*_PARAMETERS)
def _reduce_parameter(obj: Any, context: Context) -> Any:
    kind = type(obj)
    module = getattr(obj, "__module__", None)
    if module is not None and not context.is_by_value(module) and _is_offered(module, obj):
        return library_object, (module, obj.__name__)
    if _is_python(kind):
        return library.by_attributes(obj)
    if kind.__name__ == "TypeAliasType":
        return make_alias, (kind, obj.__name__), (module, *_native.alias_read(obj)), None, None, fill_alias
    if kind.__name__ == "TypeVar":
        flags = {name: getattr(obj, f"__{name}__") for name in ("covariant", "contravariant", "infer_variance")}
        fresh = kind, obj.__name__, module, flags
        return make_parameter, fresh, _native.variable_read(obj), None, None, fill_variable
    options: dict[str, Any] = {}
    has_default = getattr(obj, "has_default", lambda: False)()
    for option in ("bound", "covariant", "contravariant", "default"):
        # One that speaks of what is not there (imported for type checkers only) has no value yet, and will have none.
        with contextlib.suppress(NameError):
            value = getattr(obj, f"__{option}__", None)
            if has_default if option == "default" else value:
                options[option] = value
    return make_parameter, (kind, obj.__name__, module, options)


def _is_python(kind: Any) -> bool:
    """Until 3.11 these were Python classes."""
    return hasattr(vars(kind).get("__init__"), "__code__")


def _is_offered(module: str, obj: Any) -> bool:
    try:
        return follow(import_named(module), obj.__name__) is obj
    except (AttributeError, ImportError):
        return False
