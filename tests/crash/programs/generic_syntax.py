"""Type parameters, type aliases and the `type` statement's lazy scopes: closures the compiler makes by itself."""

from points import point

type Pair[T] = tuple[T, T]
type Json = None | str | list[Json] | dict[str, Json]
type Later = list[NotYet]


class Stack[T]:
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> "Stack[T]":
        self.items.append(point(item))
        return self

    def map[U](self, function) -> "Stack[U]":
        result = Stack[U]()
        for item in self.items:
            result.push(function(item))
        return result


def first[T](pair: Pair[T]) -> T:
    return point(pair[0])


def second[T: OnlyForTypeCheckers](pair: Pair[T]) -> T:
    return pair[1]


stack = Stack[int]().push(1).push(2)
print(stack.map(lambda n: n * 2.5).items, first((3, 4)), second((3, 4)), Pair.__type_params__, Stack.__type_params__)
point()
print(Pair.__value__, first.__type_params__[0].__name__, second((5, 6)), second.__type_params__, Stack[int].__args__)

class Tree[K]:
    type Below[V] = dict[K, Tree.Below[V] | V]


known = Json.__value__
below = Tree.Below[int]
point()
type NotYet = Json | int
print(known is Json.__value__, Json in [part for part in known.__args__[2].__args__], Later.__value__, Later.__module__)
print(below, below.__value__, Tree.Below.__type_params__, Tree.Below.__value__.__args__[0] is Tree.__type_params__[0])


class Node[S: Node]:
    """Bounded by itself: known before the point; and by what is asked for only after it."""

    def next[Q: Node[S]](self, other: Q) -> Q:
        return other


def either[A: (int, str), B: Node[int]](a: A, b: B) -> A:
    return a


bound = Node.__type_params__[0].__bound__
point()
print(bound is Node, Node.__type_params__[0].__bound__ is Node, Node.next.__type_params__[0].__bound__)
print(either.__type_params__[0].__constraints__, either.__type_params__[1].__bound__, Node[int].__args__)
