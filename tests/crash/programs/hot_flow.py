"""Hot code: generators, coroutines, with blocks, handlers and comprehensions, specialised before the commit point."""

import contextlib
import functools

from points import point

N = 60
AT = 57


def commit(i):
    if i == AT:
        point()
        return True


def numbers(i, n):
    for k in range(n):
        if k == n - 1:
            commit(i)
        yield k


def delegated(i):
    return (yield from inner(i))


def inner(i):
    yield 1
    commit(i)
    yield 2
    return 3


async def leaf(i):
    commit(i)
    return i


async def outer(i):
    return await leaf(i) + 1


def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value


@contextlib.contextmanager
def manager(i):
    commit(i)
    try:
        yield i
    finally:
        commit(i)


@contextlib.contextmanager
def suppressing(i):
    try:
        yield
    except KeyError:
        commit(i)


def step(i):
    out = [x for x in numbers(i, 3)]
    for x in numbers(i, 2):
        out.append(x)
    for x in delegated(i):
        out.append(x)
    out.append(drive(outer(i)))
    with manager(i) as z:
        out.append(z)
        commit(i)
    with suppressing(i):
        raise KeyError(i)
    out.append({k: commit(k) for k in (i, 3)})
    try:
        try:
            raise ValueError(i)
        finally:
            commit(i)
    except ValueError as error:
        out.append(repr(error))
    while True:
        try:
            if commit(i):
                break
            out.append("cold")
            break
        finally:
            out.append("finally")
    out.append(next(numbers(i, 1)))
    bound = functools.partial(lambda p, q=3: (commit(p), q)[1], i)
    out += [bound(), bound(q=5)]
    match (i, commit(i)):
        case (0, x):
            out.append("zero")
        case _:
            out.append("other")
    out.append(f"{inner(i).__name__!r:>8}{commit(i)}")
    return out


for i in range(N):
    result = step(i)
    if i in (0, AT):
        print(i, result)
print("done", len(result))
