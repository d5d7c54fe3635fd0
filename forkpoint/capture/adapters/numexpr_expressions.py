"""numexpr's compiled expressions, which `DataFrame.query` and `eval` keep: made again from their own program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numexpr.interpreter import NumExpr

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_expression(expression: Any, context: ReduceContext) -> Any:
    """What it was compiled to is all that it is."""
    parts = (expression.signature, expression.tempsig, expression.program, expression.constants, expression.input_names)
    return make_expression, parts


def make_expression(signature: bytes, temporaries: bytes, program: bytes, constants: Any, names: Any) -> Any:
    """One that is compiled already."""
    return NumExpr(signature, temporaries, program, constants, names)


class _Expressions(Quiet):
    name = "numexpr_expressions"
    module = "numexpr.interpreter"

    def reducers(self) -> Mapping[type, Reducer]:
        return {NumExpr: reduce_expression}


ADAPTER = _Expressions()
