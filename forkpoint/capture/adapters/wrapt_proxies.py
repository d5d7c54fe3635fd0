"""wrapt: decorators and proxies, with what they wrap and their own attributes. They answer for what they wrap when they
are asked for their class or how they are pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import wrapt

from forkpoint import _native
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_PARTS: Final[Mapping[type, tuple[str, ...]]] = {
    wrapt.ObjectProxy: (),
    wrapt.CallableObjectProxy: (),
    wrapt.FunctionWrapper: ("_self_wrapper", "_self_enabled"),
    wrapt.BoundFunctionWrapper: (
        *("_self_instance", "_self_wrapper", "_self_enabled", "_self_binding", "_self_parent"),
        *(("_self_owner",) if hasattr(wrapt.BoundFunctionWrapper, "_self_owner") else ()),  # since 2.0
    ),
}
"""The classes that are implemented, and what they are made of beside what they wrap."""


def reduce_proxy(proxy: Any, context: ReduceContext) -> Any:
    """By what it wraps, and its own attributes."""
    kind: Any = type(proxy)
    base = next(base for base in kind.__mro__ if base in _PARTS)
    parts = (proxy.__wrapped__, *(getattr(proxy, name) for name in _PARTS[base]))
    return make_proxy, (kind, base, *parts), _native.instance_dict(proxy)[0] or {}, None, None, fill


def make_proxy(kind: Any, base: Any, *parts: Any) -> Any:
    """A proxy of that class, without running what a class of the program's does when it is made."""
    proxy = base.__new__(kind)
    base.__init__(proxy, *parts)
    return proxy


def fill(proxy: Any, attributes: dict[str, Any]) -> None:
    """Its own attributes; those of what it wraps are not touched."""
    _native.instance_fill(proxy, attributes)


class _Proxies(Quiet):
    name = "wrapt_proxies"
    module = "wrapt"

    def reducers(self) -> Mapping[type, Reducer]:
        return dict.fromkeys(_PARTS, reduce_proxy)


ADAPTER = _Proxies()
