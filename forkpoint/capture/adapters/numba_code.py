"""What numba and LLVM have compiled. Its functions know how they are made again; what is only machine code does not.

Those are tombstones as a whole: made of their parts, they would call into code that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite.binding.ffi import ObjectRef
from numba.core.ccallback import CFunc
from numba.core.codegen import CodeLibrary
from numba.experimental.jitclass import _box
from numba.experimental.jitclass.base import JitClassType
from numba.stencils.stencil import StencilFunc

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_COMPILED = (ObjectRef, CFunc, CodeLibrary, StencilFunc, JitClassType, _box.Box)


def reduce_compiled(compiled: Any, context: ReduceContext) -> Any:
    """A C callback, a stencil, a compiled class, an instance of one, or a library of LLVM's."""
    return context.tombstone(compiled, "numba has compiled it, and does not say how it is made again")


class _Code(Quiet):
    name = "numba_code"
    module = "numba.core.registry"

    def reducers(self) -> Mapping[type, Reducer]:
        return dict.fromkeys(_COMPILED, reduce_compiled)


ADAPTER = _Code()
