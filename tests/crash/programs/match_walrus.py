"""match statements and assignment expressions: commit points in subjects, guards, bodies and conditions."""

from points import point


class Order:
    __match_args__ = ("kind", "size")

    def __init__(self, kind, size):
        self.kind = kind
        self.size = size


def decide(subject):
    match point(subject):
        case {"op": "add", "args": [first, *rest]} if point(first) > 0:
            point()
            return "add", first, rest
        case {"op": str(op), **others}:
            return "op", op, sorted(others)
        case [1 | 2 as head, (x, y)]:
            return "pair", head, point(x), y
        case Order(kind="buy", size=size) if size > 10:
            return "big", point(size)
        case Order(kind, _):
            return "order", kind
        case "word" | b"bytes":
            return "literal"
        case None:
            return "none"
        case _:
            return "other", subject


for subject in (
    {"op": "add", "args": [1, 2, 3]},
    {"op": "add", "args": [0], "z": 1},
    [2, ("x", "y")],
    Order("buy", 20),
    Order("sell", 1),
):
    print(decide(subject))

left = 3
while (left := left - 1) and point(left):
    print("left", left)
if (size := len("four")) > 3 and (half := point(size) / 2):
    print(size, half)
print((a := point(1)) + (b := a + 1), a, b, [last := n for n in range(3)], last)
total = 0
while chunk := [4, 5][total > 0 :][:1]:
    total += chunk[0] * point(1)
    if total > 8:
        break
print("total", total)
