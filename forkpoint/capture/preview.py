"""The one-line summary of a variable that log, diff and show print: type, shape and size, never its full content."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sized
from typing import Any, Final

from forkpoint.kinds import package_of
from forkpoint.model import Variable

SUMMARY_CHARACTERS_MAX: Final = 120
"""A summary is one line of a table."""

_SHOWN_AS_THEY_ARE: Final = (int, float, complex, bool, type(None))
_HEAD_ITEMS: Final = 3


def preview(name: str, value: Any) -> Variable:
    """Name, type, summary and size in bytes. Runs none of the program's code, no `__repr__` or `__len__` of its own."""
    try:
        summary, size = _describe(value)
    except Exception as error:  # noqa: BLE001  # objects raise what they like
        summary, size = f"({type(error).__name__} while looking at it)", 0
    return Variable(name, _type_name(type(value)), _shorten(summary), size)


def _type_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{cls.__qualname__}"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SUMMARY_CHARACTERS_MAX else line[: SUMMARY_CHARACTERS_MAX - 3] + "..."


def _describe(value: Any) -> tuple[str, int]:
    kind = type(value)
    if kind in _SHOWN_AS_THEY_ARE:
        return _number(value), sys.getsizeof(value)
    if kind is str or kind is bytes:
        return repr(value[:SUMMARY_CHARACTERS_MAX]), sys.getsizeof(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value), sys.getsizeof(value)
    describe = _ARRAYS.get((package_of(kind), kind.__name__))
    if describe is not None:
        return describe(value)
    if isinstance(value, type):
        return f"class {value.__qualname__}", 0
    if hasattr(kind, "__code__") or kind.__name__ == "function":
        return f"function {value.__qualname__}", 0
    return f"{kind.__qualname__} object", object.__sizeof__(value)


def _number(value: Any) -> str:
    if type(value) is int and value.bit_length() > 1024:  # decimal digits of huge integers are slow, or refused
        return f"integer of {value.bit_length()} bits"
    return repr(value)


def _container(value: Any) -> str:
    items: Sized = value
    kinds = sorted({type(item).__qualname__ for item, _ in zip(value, range(_HEAD_ITEMS), strict=False)})
    of = f" of {', '.join(kinds)}" if kinds else ""
    return f"{len(items)} item{'s' if len(items) != 1 else ''}{of}"


def _array(value: Any) -> tuple[str, int]:
    return f"{value.dtype} {tuple(value.shape)}", int(value.nbytes)


def _tensor(value: Any) -> tuple[str, int]:
    grad = ", requires_grad" if value.requires_grad else ""
    return f"{value.dtype} {tuple(value.shape)}{grad}", int(value.numel() * value.element_size())


def _frame(value: Any) -> tuple[str, int]:
    return f"{value.shape[0]} rows x {value.shape[1]} columns", int(value.memory_usage(index=True).sum())


_ARRAYS: Final[dict[tuple[str, str], Callable[[Any], tuple[str, int]]]] = {
    ("numpy", "ndarray"): _array,
    ("torch", "Tensor"): _tensor,
    ("torch", "Parameter"): _tensor,
    ("pandas", "DataFrame"): _frame,
}
