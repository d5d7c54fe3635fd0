"""The head of each generated program, whose text follows it: what its values are of, and where commits may come."""

import argparse, array, atexit, builtins, collections, contextlib, contextvars, copy, csv, dataclasses, datetime, decimal, enum  # noqa: E401
import concurrent.futures, configparser, fractions, functools, gc, gzip, hashlib, heapq, io, ipaddress, itertools, logging, math, operator, os, pathlib, queue, random, re, signal  # noqa: E401
import string, struct, sys, threading, traceback, types, typing, uuid, warnings, weakref, xml.etree.ElementTree, zlib  # noqa: E401

import abc, asyncio, calendar, codecs, copyreg, dbm.dumb, difflib, email.message, fileinput, graphlib, html.parser, http.cookies  # noqa: E401
import importlib, inspect, logging.handlers, numbers, pickle, sched, shelve, shlex, statistics, subprocess, tempfile, textwrap, time  # noqa: E401
import tokenize, unittest.mock, zipfile  # noqa: E401

from points import point

gc.disable()  # when it comes depends on all that is allocated, and what it ends may tell something
Pair = collections.namedtuple("Pair", "left right")
Colour = enum.Enum("Colour", "RED GREEN BLUE")
Mode = enum.Flag("Mode", "R W X")
var, other = (contextvars.ContextVar(name, default=None) for name in ("var", "other"))
w = types.SimpleNamespace()
ticks = told = 0
STRIDE = int(os.environ.get("STRIDE", 1_000_000))
heard = []
seen = []


@dataclasses.dataclass
class Record:
    x: int
    tags: list = dataclasses.field(default_factory=list)


class Slotted:
    __slots__ = ("__weakref__", "x", "y")

    def __init__(self, x):
        self.x = x

    @property
    def double(self):
        return 2 * self.x

    def add(self, n):
        self.x += n


class Counted:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.number = self.made


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Frozen:
    x: int
    rest: tuple


class Registering(type):
    known = ["first"]
    registered = 0

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        Registering.known.append(name)
        Registering.registered += 1


class Registered(metaclass=Registering):
    pass


class Field:
    def __init__(self):
        self.writes = 0

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, owner=None):
        return self if obj is None else getattr(obj, self.name)

    def __set__(self, obj, value):
        self.writes += 1
        setattr(obj, self.name, value)


class Described:
    field = Field()
    other = Field()


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    def __init__(self, item):
        self.items = [item]


class Tee:
    def __init__(self, stream):
        self.stream = stream
        self.lines = 0

    def write(self, text):
        self.lines += text.count("\n")
        return self.stream.write(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def counting(function):
    @functools.wraps(function)
    def wrapper(*args):
        wrapper.calls += 1
        return function(*args)

    wrapper.calls = 0
    return wrapper


@counting
def wrapped(n):
    return n + 1


class Lazy:
    calls = 0

    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def value(self):
        Lazy.calls += 1
        return self.x * 100


class Base:
    kinds = []

    def __init_subclass__(cls, tag=0):
        Base.kinds.append((cls.__name__, tag))

    def whoami(self):
        return type(self).__name__


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


class Number:
    """All that an operator calls."""

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Number(tick(self.value) + other.value)

    def __getitem__(self, key):
        return tick(key)

    def __call__(self, *args, **kwargs):
        return tick(len(args) + len(kwargs))

    def __lt__(self, other):
        return tick(self.value) < other.value

    def __eq__(self, other):
        return isinstance(other, Number) and tick(self.value) == other.value

    __hash__ = None

    def __contains__(self, item):
        return tick(item) > 2

    def __len__(self):
        return tick(3)

    def __bool__(self):
        return tick(self.value) > 1

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return tick(len(name))

    def __enter__(self):
        tick(self.value)
        return self

    def __exit__(self, kind, error, tb):
        tick(self.value)
        return kind is not None and issubclass(kind, ValueError)


@contextlib.contextmanager
def managed(n):
    tick(n)
    try:
        yield n
    except KeyError as error:
        tell("managed", error)
    finally:
        tick(n)


def tell(*what):
    global told
    if told is not None:
        told += 1
        print(told, *map(repr, what))


def counter(start):
    count = start

    def inc():
        nonlocal count
        count += 1

    return inc, lambda: count


def remember(n, held=[]):
    held.append(n)
    return len(held), sum(held)


@functools.lru_cache(maxsize=2)
def square(n):
    return n * n


@functools.singledispatch
def described(value):
    return "something"


@described.register
def _(value: int):
    return "a number"


@described.register(str)
def _(value):
    return "a text"


def caught(n):
    try:
        try:
            {}[n]
        except KeyError as error:
            raise ValueError("no", n) from error
    except ValueError as error:
        return error


def noted(signum, frame):
    heard.append(signum)


def steps(n):
    try:
        for k in range(n):
            yield k
    finally:
        tell("steps end", n)


def echo():
    got = 0
    while True:
        try:
            got = yield got * 2
        except ValueError:
            got = -1


def outer(n):
    for k in range(n):
        yield from steps(k)
    return n


def tree(node):
    if isinstance(node, list):
        for child in node:
            yield from tree(child)
    else:
        yield node


class Wait:
    def __await__(self):
        return (yield "waiting")


async def waits(n):
    async with contextlib.AsyncExitStack():
        for k in range(n):
            await Wait()
            tell("awaited", k)
    return n


def driven(coroutine):
    try:
        return coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except RuntimeError as over:
        return str(over)


def tick(value=0):
    """Somewhere in an expression, a commit may come here. A small number that depends on how far the program is."""
    global ticks
    ticks += 1
    print("tick", ticks, value)
    if ticks % STRIDE == 0:
        point()
    return (ticks * 7 + int(value)) % 5


@atexit.register
def end():
    """What has not been written by now, the interpreter may write or not; and it ends what still waits in an order of its
    own, which is not told.
    """
    global told
    for value in vars(w).values():
        if isinstance(value, io.IOBase) and not value.closed and value.writable():
            value.flush()
        if isinstance(value, zipfile.ZipFile):
            value.close()
    print("ticks", ticks)
    told = None
