"""Generators, coroutines and asynchronous generators with their frame."""

from __future__ import annotations

import contextlib
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from forkpoint import _native
from forkpoint.encode.reducers import Context, reduces
from forkpoint.errors import Refused


def fresh_generator(function: Any) -> Any:
    """A generator of this function that has not started."""
    return _native.generator_new(function)


def fill_generator(generator: Any, state: tuple[Any, ...]) -> None:
    """Set a fresh generator to where it was suspended."""
    _native.generator_fill(generator, *state)


def finish_generator(generator: Any, state: tuple[str, str]) -> None:
    """A generator that has returned, or was closed."""
    generator.__name__, generator.__qualname__ = state
    if isinstance(generator, AsyncGeneratorType):
        with contextlib.suppress(StopIteration):
            generator.aclose().send(None)
    else:
        generator.close()


def rename_generator(generator: Any, state: tuple[str, str]) -> None:
    """A generator that is on the captured stack: resuming fills it."""
    generator.__name__, generator.__qualname__ = state


def _nothing() -> Any:
    yield


async def _nothing_awaited() -> None:
    return


async def _nothing_async() -> Any:
    yield


_FINISHED = {GeneratorType: _nothing, CoroutineType: _nothing_awaited, AsyncGeneratorType: _nothing_async}


@reduces(GeneratorType, CoroutineType, AsyncGeneratorType)
def _reduce_generator(obj: Any, context: Context) -> Any:
    record = context.running(obj)
    label = (obj.__name__, obj.__qualname__)
    if record is not None:
        return fresh_generator, (record.function,), label, None, None, rename_generator
    state, function, _code, slots, position, raw_state, exception, name, qualname = _native.generator_read(obj)
    if state == "running":
        raise Refused(f"generator {qualname} is running, but not on the captured stack")
    if state == "finished":
        return fresh_generator, (_FINISHED[type(obj)],), label, None, None, finish_generator
    filling = (slots, position, raw_state, exception, name, qualname)
    return fresh_generator, (function,), filling, None, None, fill_generator
