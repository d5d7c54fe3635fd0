"""A restore point of another Python's, for its variables: what is made of that Python's bytecode does not run here.

Bytecode and the layout of frames are of one minor version; run by another they crash it. Functions come as functions
that raise when they are called, suspended generators as tombstones; everything else is as it was.
"""

from __future__ import annotations

from types import CodeType
from typing import Any, Final, NoReturn

from forkpoint.encode import generators, modules
from forkpoint.encode.tombstones import Absent, make
from forkpoint.encode.unpickler import Unpickler
from forkpoint.errors import TombstoneError

_REASON: Final = "its bytecode is of another Python's than this one"


def _call(*args: Any, **kwargs: Any) -> Any:
    called: Any = "what is called"  # replaced below, by what raises
    return called()


_CONSTANT: Final = "what is called"


def code(*fields: Any) -> CodeType:
    """Code of the same name, place and closure that raises; `fields` are those of the other Python's."""
    filename, name, qualname, line = fields[10:14]

    def refuse() -> NoReturn:
        raise TombstoneError(
            f"{qualname} ({filename}:{line}) cannot run here: {_REASON}",
            hint="load the restore point with the Python that made it; `forkpoint show` names it",
        )

    own = _call.__code__
    return own.replace(
        co_consts=tuple(refuse if constant == _CONSTANT else constant for constant in own.co_consts),
        co_filename=filename,
        co_name=name,
        co_qualname=qualname,
        co_firstlineno=line,
        co_freevars=fields[16],
    )


def generator(function: Any) -> Absent:
    """In the place of a suspended one."""
    return make(f"a generator of {function.__qualname__}", "generator", _REASON)


def leave(generator: Absent, state: object) -> None:
    """It has no frame to be filled."""


def library_object(module_name: str, path: str) -> Any:
    """As in every restore point, but for the type that makes code."""
    found = modules.library_object(module_name, path)
    return code if found is CodeType else found


_INSTEAD: Final[dict[tuple[str, str], Any]] = {
    (instead_of.__module__, instead_of.__name__): stand_in
    for instead_of, stand_in in (
        (modules.library_object, library_object),
        (generators.fresh_generator, generator),
        (generators.fill_generator, leave),
        (generators.finish_generator, leave),
        (generators.rename_generator, leave),
    )
}


class ForeignUnpickler(Unpickler):
    """Reads what another Python wrote."""

    def find_class(self, module: str, name: str) -> Any:
        """What the stream names, or what stands in for it."""
        return _INSTEAD.get((module, name)) or super().find_class(module, name)
