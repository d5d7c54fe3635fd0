"""Objects of library classes: by the protocol their library gives them, since it may hold what only it understands."""

from __future__ import annotations

import copyreg
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from forkpoint import _native
from forkpoint.encode import left_out, making, nested_pickles, tombstones
from forkpoint.encode.containers import refill_dict
from forkpoint.encode.modules import library_object
from forkpoint.encode.names import follow
from forkpoint.encode.reducers import FILL, Context, OwnReducer
from forkpoint.errors import Refused
from forkpoint.kinds import package_of

_PROTOCOL_VERSION: Final = 5

_TAKEN_APART: Final = frozenset(
    {
        "accelerate",
        "bs4",
        "cachetools",
        "codecs",
        "encodings",
        "lightning",
        "lightning_fabric",
        "loguru",
        "patsy",
        "pytorch_lightning",
        "sqlalchemy",
        "stable_baselines3",
        "tenacity",
        "torchmetrics",
        "transformers",
    }
)
"""Packages of plain Python objects whose `__getstate__` is for another machine, or another day: it leaves out what is
going on (Lightning's data iterators, progress bars and optimizers; accelerate's loaders cannot be copied at all;
loguru writes handlers without what they write to; a cachedmethod of cachetools begins to count anew; BeautifulSoup is
its text, parsed again; codecs refuses to have its streams copied; SQLAlchemy says how to find a mapped class's
attributes, not what they are)."""
_TAKEN_APART_WITH: Final = {"keras": "keras.src.backend.torch"}
"""The same for packages of which that depends on a module: what keras leaves out with other backends is compiled code,
which cannot be copied, and made again when it is missing."""
_DEFAULT: Final = (("__reduce_ex__", object.__reduce_ex__), ("__reduce__", object.__reduce__))
_STANDARD: Final = sys.stdlib_module_names


_FILLED_BY: Final[dict[type, tuple[str, ...]]] = {
    OrderedDict: ("__setitem__",),
    dict: ("__setitem__",),
    list: ("append", "extend"),
    set: ("__init__", "add"),
    deque: ("append",),
}
"""Containers, and what pickle calls of a subclass to fill it."""
_PICKLE_METHODS: Final = (
    "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs_ex__", "__getnewargs__"
)  # fmt: skip


def is_taken_apart(cls: type) -> bool:
    """Are instances of this library class saved by attributes, slots and content, whatever it says?"""
    return _native.is_python_class(cls) and (
        (_hides_state(package_of(cls)) and not _has_compiled_base(cls))
        or _minds_being_filled(cls)
        or nested_pickles.makes_them(cls)
    )


def _has_compiled_base(cls: type) -> bool:
    """Does a library's C code make its instances? Of those only the library's own protocol knows enough."""
    return any(not _native.is_python_class(base) and not _is_standard(base) for base in cls.__mro__)


def _hides_state(package: str) -> bool:
    return package in _TAKEN_APART or _TAKEN_APART_WITH.get(package) in sys.modules


def _minds_being_filled(cls: type) -> bool:
    """Is it a container that does more than its base when something is put in, and says nothing for pickle?

    Pickle fills it before it has its attributes, with which that code may work (keras.src.utils.tracking.TrackedList).
    """
    base: Any = next((base for base in _FILLED_BY if issubclass(cls, base)), None)
    if base is None or all(getattr(cls, name) is getattr(base, name) for name in _FILLED_BY[base]):
        return False
    return all(getattr(cls, name, None) is getattr(base, name, None) for name in _PICKLE_METHODS)


def reduce_by_protocol(obj: Any, context: Context) -> Any:
    """copyreg's or the class's own way, checked; a tombstone when that fails."""
    kind: Any = type(obj)
    attributes, shared = _native.instance_dict(obj)
    if attributes is None or not shared:
        attributes = None
    elif (value := _shared_with_class(obj, attributes, context)) is not None:
        return value
    try:
        special = copyreg.dispatch_table.get(kind)
        value = special(obj) if special is not None else kind.__reduce_ex__(obj, _PROTOCOL_VERSION)
    except Refused:
        raise
    except Exception as error:
        return context.tombstone(obj, _reason(error))
    if _is_looked_up_in_a_class(obj, value, context):
        return by_attributes(obj)
    left_out.save(obj, value, context)
    return _checked(obj, value, context, attributes)


def _is_looked_up_in_a_class(obj: Any, value: Any, context: Context) -> bool:
    """Does a descriptor say that the program's class holds it? That class is made anew, and its attributes with it."""
    if not isinstance(value, tuple) or len(value) < 2 or not isinstance(value[1], tuple):
        return False
    owners = [each for each in value[1] if isinstance(each, type) and context.is_by_value(each.__module__)]
    return any(each is obj for owner in owners for each in vars(owner).values()) and making.is_made_by_object(type(obj))


def _shared_with_class(obj: Any, attributes: dict[str, Any], context: Context) -> Any:
    """How an object is saved whose attributes are those of all instances (`self.__dict__ = cls._all`).

    That dict is named like all that a library owns, but what it holds are these objects' attributes. None for others.
    """
    kind: Any = type(obj)
    if not context.is_named(attributes):
        return None
    if any(getattr(kind, name) is not own for name, own in _DEFAULT):
        return None
    keep_shared(attributes, context)
    return new_by_object, (kind,), (attributes, _slots(obj)), None, None, share_attributes


def keep_shared(attributes: dict[str, Any], context: Context) -> None:
    """Attributes that an object shares: the dict that a library owns too is named, so its items are saved here."""
    if context.is_named(attributes):
        context.later(FILL, refill_dict, attributes, list(attributes.items()))


def keep_protocol(keeper: type, maker: type) -> OwnReducer:
    """A reducer for program classes that inherit a library's protocol: that of its class `keeper`, not the program's
    override. `maker`: the library's class of which they are.
    """

    def reduce(obj: Any, context: Context) -> Any:
        try:
            value = _reduce_as(keeper, obj)
        except Refused:
            raise
        except Exception as error:
            return context.tombstone(obj, _reason(error))
        cls = type(obj)
        if context.is_by_value(cls.__module__) and not _speaks_of(
            cls, value
        ):  # others, a library makes when it needs them
            return context.tombstone(obj, f"{keeper.__qualname__} is all that its library would make of it")
        kept = _kept(maker, obj, value)
        if kept is value:
            left_out.save(obj, value, context)
        return _checked(obj, kept, context)

    return reduce


def _speaks_of(cls: type, value: Any) -> bool:
    """Whether this reduce value can make an instance of that class, not only of the library's."""
    if not isinstance(value, tuple) or len(value) < 2 or not isinstance(value[1], tuple):
        return True  # not for us to tell
    function, arguments = value[:2]
    named = [function, getattr(function, "__self__", None), *arguments]
    nested = [each for argument in arguments if isinstance(argument, tuple | list) for each in argument]
    return any(each is cls for each in (*named, *nested))


def _kept(maker: type, obj: Any, value: Any) -> Any:
    """A library's reduce value for an object of a program's subclass: not its `__init__`, but all its attributes."""
    if not isinstance(value, tuple) or len(value) < 2 or value[0] is not type(obj):
        return value
    _, arguments, *rest = value
    state, items, pairs, setter = (*rest, None, None, None, None)[:4]
    attributes = _native.instance_dict(obj)[0] or {}
    return new_by_keeper, (maker, type(obj), arguments), (state, attributes, setter), items, pairs, set_kept_state


def new_by_keeper(keeper: type, cls: Any, arguments: tuple[Any, ...]) -> Any:
    """An instance of `cls` as a library's class makes its own."""
    made = keeper.__new__(cls, *arguments)
    keeper.__init__(made, *arguments)  # type: ignore[misc]  # the keeper's, whatever the class defines
    return made


def set_kept_state(obj: Any, whole: tuple[Any, dict[str, Any], Callable[..., Any] | None]) -> None:
    """The library's state in its way, then the attributes that are the program's."""
    if type(obj) is tombstones.Absent:
        return
    state, attributes, setter = whole
    if state is not None:
        (setter or set_state)(obj, state)
    present = _native.instance_dict(obj)[0] or {}
    _native.instance_fill(obj, {name: value for name, value in attributes.items() if name not in present})


def _reduce_as(keeper: type, obj: Any) -> Any:
    namespace = vars(keeper)
    if "__reduce_ex__" in namespace:
        return namespace["__reduce_ex__"](obj, _PROTOCOL_VERSION)
    if "__reduce__" in namespace:
        return namespace["__reduce__"](obj)
    return object.__reduce_ex__(obj, _PROTOCOL_VERSION)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _checked(obj: Any, value: Any, context: Context, shared: dict[str, Any] | None = None) -> Any:
    """A reduce value the C pickler will take without an error of its own. `shared`: the object's attributes, where
    others hold them, too (`settings = vars(args)`).
    """
    if isinstance(value, str):
        return _by_name(obj, value, context)
    if not isinstance(value, tuple) or not 2 <= len(value) <= 6:
        return context.tombstone(obj, "its __reduce__ does not return a tuple of 2 to 6 items")
    function, arguments, *rest = value
    if not callable(function) or not isinstance(arguments, tuple):
        return context.tombstone(obj, "its __reduce__ does not return a callable and its arguments")
    if function is copyreg.__newobj__ and arguments == (type(obj),) and making.wants_more(type(obj)):  # type: ignore[attr-defined,arg-type]
        function = new_by_object
    elif function is copyreg.__newobj__ and len(arguments) == 2:  # type: ignore[attr-defined]
        base = making.base_of_value(type(obj))  # type: ignore[arg-type]  # a class has a hash
        if base is not None and not making.is_made_anew(base, obj, arguments):
            function, arguments = making.new_by_base, (base, *arguments)
    state, items, pairs, setter = (*rest, None, None, None, None)[:4]
    try:  # an iterator that fails must fail here, not in the pickler
        items, pairs = (iter(list(entries)) if entries is not None else None for entries in (items, pairs))
    except Exception as error:
        return context.tombstone(obj, _reason(error))
    if state is not None and setter is None:
        setter = _setter(type(obj), state, shared)
    if not _is_standard(type(obj)):
        if state is not None and setter is None:
            setter = set_state
        setter = _UNLESS_ABSENT.get(setter, setter)
        return guarded_call, (function, arguments), state, items, pairs, setter
    if function is copyreg.__newobj__ and obj.__class__ is not arguments[0]:  # type: ignore[attr-defined]
        setter = _UNLESS_ABSENT.get(setter, setter)
        return guarded_call, (function, arguments), state, items, pairs, setter
    return function, arguments, state, items, pairs, setter


def _setter(cls: type, state: Any, shared: dict[str, Any] | None) -> Any:
    """Plain attributes are set without asking the object for a `__setstate__`, which its `__getattr__` may answer."""
    if hasattr(cls, "__setstate__"):
        return None
    if state is shared:
        return _native.instance_adopt
    if type(state) is dict and cls.__dictoffset__:
        return _native.instance_fill
    return set_state


def _is_standard(cls: type) -> bool:
    return package_of(cls) in _STANDARD


def _by_name(obj: Any, name: str, context: Context) -> Any:
    """A class said that the object is the global `name` of its module."""
    for module_name in (getattr(obj, "__module__", None), type(obj).__module__):
        module = sys.modules.get(module_name) if isinstance(module_name, str) else None
        if module is None or context.is_by_value(module_name):
            continue
        try:
            if follow(module, name) is obj:
                return library_object, (module_name, name)
        except AttributeError:
            continue
    if not making.is_made_by_object(type(obj)):
        return context.tombstone(obj, f"it is not {name!r} of a module, as its class says, and C code made it")
    return by_attributes(obj)


def by_attributes(obj: Any) -> Any:
    """A Python object whose class only offers a name for it: attributes and slots."""
    return new_by_object, (type(obj),), (_native.instance_dict(obj)[0], _slots(obj)), None, None, set_attributes


def _slots(obj: Any) -> dict[str, Any]:
    return {
        name: value
        for base in type(obj).__mro__
        for name, value in _slot_values(base, obj)
        if name not in ("__dict__", "__weakref__")
    }


def _slot_values(base: type, obj: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(base).items():
        if isinstance(value, types.MemberDescriptorType):
            try:
                yield name, value.__get__(obj)
            except AttributeError:
                continue


def new_by_object(cls: type) -> Any:
    """A fresh instance, not asking the class."""
    return object.__new__(cls)


def set_attributes(obj: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Attributes and slots, not asking the class."""
    attributes, slots = state
    if attributes:
        _native.instance_fill(obj, attributes)
    _set_slots(obj, slots)


def share_attributes(obj: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The attribute dict that others hold too, and slots."""
    attributes, slots = state
    _native.instance_adopt(obj, attributes)
    _set_slots(obj, slots)


def _set_slots(obj: Any, slots: dict[str, Any]) -> None:
    for name, value in slots.items():
        object.__setattr__(obj, name, value)


def guarded_call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Rebuild a library's object; a tombstone in its place when the library refuses."""
    try:
        return function(*arguments)
    except Exception as error:
        kind = getattr(function, "__qualname__", repr(function))
        return tombstones.make(f"an object made by {kind}", kind, f"rebuilding it failed: {_reason(error)}")


def fill_unless_absent(obj: Any, attributes: dict[str, Any]) -> None:
    """Plain attributes of an object that guarded_call made; a tombstone in its place takes none."""
    if type(obj) is not tombstones.Absent:
        _native.instance_fill(obj, attributes)


def adopt_unless_absent(obj: Any, attributes: dict[str, Any]) -> None:
    """The same for attributes that others hold, too."""
    if type(obj) is not tombstones.Absent:
        _native.instance_adopt(obj, attributes)


_UNLESS_ABSENT: Final[dict[Any, Any]] = {
    _native.instance_fill: fill_unless_absent,
    _native.instance_adopt: adopt_unless_absent,
}


def set_state(obj: Any, state: Any) -> None:
    """What pickle's BUILD does, for objects that guarded_call made."""
    if type(obj) is tombstones.Absent:
        return
    if hasattr(type(obj), "__setstate__"):
        obj.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        obj.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
