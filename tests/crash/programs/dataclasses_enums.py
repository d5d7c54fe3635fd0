"""Dataclasses, enums, named tuples and ABCs defined in __main__: identity, equality, isinstance and matching survive."""

import abc
import collections
import dataclasses
import enum
import typing

from points import point


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    CRIMSON = 1

    @property
    def pretty(self):
        return point(self.name.title())


class Flags(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 9


@dataclasses.dataclass(order=True)
class Item:
    price: float
    name: str = dataclasses.field(compare=False)
    tags: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        point()
        self.tags.append(self.name[:1])


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    x: int
    color: Color


Point = collections.namedtuple("Point", "x y", defaults=[0])


class Row(typing.NamedTuple):
    id: int
    label: str = "none"

    def shout(self):
        return point(self.label.upper())


class Animal(abc.ABC):
    @abc.abstractmethod
    def sound(self): ...

    def speak(self):
        return f"says {self.sound()}"


class Dog(Animal):
    def sound(self):
        return point("woof")


Animal.register(Item)

items = [Item(2.5, "bolt"), Item(1.0, "nut")]
table = {Key(1, Color.RED): "a", Key(2, Color.GREEN): "b", Color.GREEN: "c"}
place, row = Point(3), Row(7, "seven")
red, access = Color.RED, Flags.READ | Flags.WRITE
point()
print(sorted(items), items[0] > items[1], dataclasses.asdict(items[0]))
print(table[Key(1, Color.RED)], table[Key(2, Color(2))], table[Color["GREEN"]], Color.CRIMSON is red)
print(red.pretty, access, Flags.READ in access, Level.HIGH > 3, Level(1) is Level.LOW)
print(place, place._replace(y=4), row.shout(), row._asdict(), isinstance(place, Point))
print(Dog().speak(), isinstance(items[0], Animal), issubclass(Dog, Animal))
try:
    Animal()
except TypeError as error:
    print("abstract", "sound" in str(error))
try:
    Key(1, Color.RED).x = 2
except dataclasses.FrozenInstanceError:
    print("frozen")
point()
for value in (items[0], place, row, red, Key(5, Color.GREEN)):
    match value:
        case Item(price=p, name=n):
            print("item", p, n)
        case Point(x, y):
            print("point", x, y)
        case Row(id, label):
            print("row", id, label)
        case Color.RED:
            print("red")
        case Key(color=Color.GREEN):
            print("green key")
print(list(Color), [f.name for f in dataclasses.fields(Item)])
