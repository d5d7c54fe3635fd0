"""Functions, their code and cells by value; methods and builtins by what they are bound to."""

from __future__ import annotations

import builtins
import types
from collections.abc import Iterable
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType
from typing import Any

from forkpoint import _native
from forkpoint.encode.modules import by_name, library_object
from forkpoint.encode.reducers import Context, reduces
from forkpoint.encode.tombstones import Absent

_DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_CODE_FIELDS = (
    "co_argcount co_posonlyargcount co_kwonlyargcount co_nlocals co_stacksize co_flags co_code co_consts co_names"
    " co_varnames co_filename co_name co_qualname co_firstlineno co_linetable co_exceptiontable co_freevars co_cellvars"
).split()


@reduces(CodeType)
def _reduce_code(obj: CodeType, context: Context) -> Any:
    return CodeType, tuple(getattr(obj, name) for name in _CODE_FIELDS)


def make_cell() -> CellType:
    """An empty cell, to be filled once what it holds can refer to it."""
    return CellType()


def fill_cell(cell: CellType, content: tuple[Any, ...]) -> None:
    """Give a cell its content, if it had any."""
    cell.cell_contents = content[0]


@reduces(CellType)
def _reduce_cell(obj: CellType, context: Context) -> Any:
    try:
        content = obj.cell_contents
    except ValueError:
        return make_cell, ()
    return make_cell, (), (content,), None, None, fill_cell


def make_function(code: CodeType, namespace: dict[str, Any], name: str) -> FunctionType:
    """A function over that very namespace, with cells that its closure replaces."""
    closure = tuple(CellType() for _ in code.co_freevars)
    return FunctionType(code, namespace, name, None, closure or None)


def fill_function(function: FunctionType, state: dict[str, Any]) -> None:
    """Everything of a function but its code and namespace."""
    closure = state.pop("closure")
    if closure is not None:
        _native.function_set_closure(function, closure)
    attributes = state.pop("attributes", None)
    if attributes is not None:
        function.__dict__ = attributes
    for name, value in state.items():
        setattr(function, name, value)


@reduces(FunctionType)
def _reduce_function(obj: FunctionType, context: Context) -> Any:
    path = context.path_of(obj)
    if path is not None:
        return by_name(obj, path)
    state: dict[str, Any] = {
        "closure": obj.__closure__,
        "__qualname__": obj.__qualname__,
        "__module__": obj.__module__,
        "__doc__": obj.__doc__,
    }
    for name in ("__defaults__", "__kwdefaults__", "__annotations__", "__type_params__"):
        value = getattr(obj, name, None)
        if value:
            state[name] = value
    if obj.__dict__:
        state["attributes"] = obj.__dict__
    return make_function, (obj.__code__, obj.__globals__, obj.__name__), state, None, None, fill_function


@reduces(MethodType)
def _reduce_method(obj: MethodType, context: Context) -> Any:
    return MethodType, (obj.__func__, obj.__self__)


@reduces(BuiltinFunctionType)
def _reduce_builtin(obj: BuiltinFunctionType, context: Context) -> Any:
    owner = obj.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        path = context.path_of(obj)
        return (library_object, path) if path else context.tombstone(obj, "no module offers this builtin function")
    kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    return builtin_method, (owner, _known_as(kinds, obj.__name__))


def _known_as(kinds: Iterable[type], name: str) -> str:
    """Under which name classes offer what C code calls `name`: Cython has its `__setstate_cython__` as `__setstate__`,
    and nothing or another function under its own.
    """
    others = []
    for kind in kinds:
        if type(vars(kind).get(name)) in (*_DESCRIPTORS, BuiltinFunctionType):
            return name
        others += [key for key, value in vars(kind).items() if type(value) in _DESCRIPTORS and value.__name__ == name]
    return others[0] if others else name


@reduces(types.MethodWrapperType)
def _reduce_method_wrapper(obj: Any, context: Context) -> Any:
    return method_wrapper, (obj.__objclass__, _known_as((obj.__objclass__,), obj.__name__), obj.__self__)


def builtin_method(owner: Any, name: str) -> Any:
    """The method `name` that a builtin type gives `owner`, whatever its class defines over it.

    A method of what could not be saved is as absent as that: only touching it raises.
    """
    if type(owner) is Absent:
        return owner
    kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
    for kind in kinds:
        descriptor = vars(kind).get(name)
        if isinstance(descriptor, types.ClassMethodDescriptorType):
            return descriptor.__get__(None, owner if isinstance(owner, type) else type(owner))
        if isinstance(descriptor, types.MethodDescriptorType | types.WrapperDescriptorType):
            return descriptor.__get__(owner)
        if isinstance(descriptor, types.BuiltinFunctionType):  # __new__ of a type
            return descriptor
    return getattr(owner, name)


def method_wrapper(kind: type, name: str, owner: Any) -> Any:
    """A slot wrapper of a type, bound."""
    if type(owner) is Absent:
        return owner
    return vars(kind)[name].__get__(owner)


@reduces(*_DESCRIPTORS)
def _reduce_descriptor(obj: Any, context: Context) -> Any:
    return class_attribute, (obj.__objclass__, _known_as((obj.__objclass__,), obj.__name__))


def class_attribute(cls: type, name: str) -> Any:
    """What stands in a class's namespace, not bound to anything."""
    return vars(cls)[name]


def interpreter_builtins() -> dict[str, Any]:
    """The namespace of builtins."""
    return vars(builtins)
