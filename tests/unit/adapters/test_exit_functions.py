"""Functions registered with atexit are seen in order, and the program's are registered again."""

from __future__ import annotations

import atexit
import functools

from forkpoint import _native
from forkpoint.capture.adapters.exit_functions import ADAPTER


def test_registered_functions_are_seen_in_order_with_their_arguments() -> None:
    mark = functools.partial(list)
    atexit.register(mark, (1,))
    atexit.register(mark, (2,))
    try:
        seen = [(args, kwargs) for function, args, kwargs in _native.exit_functions() if function is mark]
        assert seen == [(((1,),), None), (((2,),), None)]
    finally:
        atexit.unregister(mark)
    assert all(function is not mark for function, _, _ in _native.exit_functions())


def test_only_what_is_missing_is_registered_again() -> None:
    mark = functools.partial(list)
    atexit.register(mark)
    state = ADAPTER.capture(None)
    try:
        ADAPTER.restore(state)
        assert sum(function is mark for function, _, _ in _native.exit_functions()) == 1
        atexit.unregister(mark)
        ADAPTER.restore(state)
        assert sum(function is mark for function, _, _ in _native.exit_functions()) == 1
    finally:
        atexit.unregister(mark)
