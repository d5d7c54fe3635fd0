"""SQLAlchemy's annotated elements: equal to the element they are made from by a hash of it, which is its address.

Their classes are made when they are first needed (`AnnotatedInsert`): a restored process makes them before anything is
rebuilt.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.sql import annotation
from sqlalchemy.sql.annotation import Annotated

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_HASH: Final = "_hash"
_ELEMENT: Final = "_Annotated__element"


def reduce_annotated(annotated: Any, context: ReduceContext) -> Any:
    """By attributes, without the hash."""
    return make_annotated, (type(annotated),), attributes(annotated, frozenset({_HASH})), None, None, fill_annotated


def make_annotated(kind: Any) -> Any:
    """One without an element."""
    return kind.__new__(kind)


def fill_annotated(annotated: Any, state: Any) -> None:
    """Its attributes; the hash of its element is the new one's."""
    fill(annotated, state)
    setattr(annotated, _HASH, hash(getattr(annotated, _ELEMENT)))


class _Elements(Quiet):
    name = "sqlalchemy_elements"
    module = "sqlalchemy.sql.annotation"

    def facts(self) -> list[tuple[str, str]]:
        """Module and name of each class that has one for annotations, in the order in which those were made."""
        kinds: dict[Any, Any] = annotation.annotated_classes
        return [(kind.__module__, kind.__qualname__) for kind in kinds]

    def prepare(self, kinds: list[tuple[str, str]]) -> None:
        """Make those that this process has not yet; of classes of the program's, they are made when they are needed."""
        for module, name in kinds:
            kind: Any = getattr(sys.modules.get(module), name, None)
            if kind is not None and kind not in annotation.annotated_classes:
                annotation._new_annotation_type(kind, Annotated)

    def reducers(self) -> Mapping[type, Reducer]:
        return {Annotated: reduce_annotated}


ADAPTER = _Elements()
