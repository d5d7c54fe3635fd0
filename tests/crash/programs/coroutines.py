"""Coroutines driven by hand: await chains, a small scheduler, async with, async for, a suspended async generator."""

import collections
import types

from points import point


@types.coroutine
def pause(value):
    got = yield value
    return got


async def leaf(n):
    got = await pause(("leaf", n))
    point()
    print("leaf", n, got)
    return n * 2


async def branch(n):
    total = 0
    for i in range(n):
        total += await leaf(i)
    return total


class Ready:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        got = yield ("await", self.value)
        point()
        return self.value, got


class Resource:
    async def __aenter__(self):
        await pause("enter")
        return point(self)

    async def __aexit__(self, kind, value, traceback):
        await pause("exit")
        point()
        print("aexit", kind and kind.__name__)
        return kind is KeyError


class Ticker:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.n -= 1
        if self.n < 0:
            raise StopAsyncIteration
        return await pause(("tick", point(self.n)))


async def everything():
    print("branch", await branch(2), await Ready("r"))
    async with Resource() as resource:
        print("in", type(resource).__name__)
        raise KeyError("gone")
    async for tick in Ticker(2):
        print("tick", tick)
    return [x async for x in Ticker(1)]


def drive(coroutine):
    value, step = None, 0
    while True:
        try:
            request = coroutine.send(value)
        except StopIteration as stop:
            return stop.value
        step += 1
        value = f"reply {step}"
        print("request", request)


print("result", drive(everything()))


async def worker(name, steps):
    for i in range(steps):
        point() if (name, i) == ("b", 1) else None
        print("worker", name, i)
        await pause(name)
    return name.upper()


tasks = collections.deque(worker(n, s) for n, s in (("a", 1), ("b", 3), ("c", 2)))
while tasks:
    task = tasks.popleft()
    try:
        task.send(None)
        tasks.append(task)
    except StopIteration as stop:
        print("finished", stop.value)


async def numbers():
    for i in range(4):
        yield i * 10


stream = numbers()


def pull():
    try:
        stream.__anext__().send(None)
    except StopIteration as stop:
        return stop.value
    except StopAsyncIteration:
        return "over"


waiting = branch(1)
print(waiting.send(None), pull())
point()
print(pull(), waiting.cr_frame is not None)
try:
    waiting.send("late")
except StopIteration as stop:
    print("late", stop.value, pull(), pull(), pull())
