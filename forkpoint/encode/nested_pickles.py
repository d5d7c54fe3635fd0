"""Library classes that pickle a part of themselves on their own: `__getstate__` returns bytes.

What is in such bytes is a copy: it is no longer the object that the program holds under another name, and a class of
the program in it is looked for while its module is still empty (skorch's nets keep module and optimizer like that).
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

_METHODS: Final = ("__getstate__", "__reduce__", "__reduce_ex__")
_PICKLES: Final = frozenset({"pickle", "_pickle", "cloudpickle", "dill", "joblib", "torch"})
_DUMPS: Final = frozenset({"dump", "dumps", "Pickler", "save"})


def makes_them(cls: Any) -> bool:
    """Does a method of the class that says what to pickle call a pickler itself?"""
    methods = [getattr(cls, name, None) for name in _METHODS]
    return any(type(method) is FunctionType and _dumps(method) for method in methods)


def _dumps(function: FunctionType) -> bool:
    names = function.__code__.co_names
    found = [function.__globals__[name] for name in names if name in function.__globals__]
    whole = any(_package(getattr(value, "__name__", "")) in _PICKLES for value in found) and _DUMPS & {*names}
    single = any(
        _package(getattr(value, "__module__", "")) in _PICKLES and getattr(value, "__name__", "") in _DUMPS
        for value in found
    )
    return bool(whole or single)


def _package(module: Any) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""
