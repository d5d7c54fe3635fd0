"""Comprehensions: list, set, dict, nested, conditional, with walrus; generator expressions driven by a for loop."""

from points import point

print([point(i) * 2 for i in range(3)])
print({key: point(len(key)) for key in ("a", "bbb")})
print(sorted({point(i) % 2 for i in range(3)}))
print([[point((r, c)) for c in range(2)] for r in range(2)])
print([x for x in range(6) if x % 2 and point(x)])


def work(rows):
    scale = 3
    out = [scale * value + offset for offset, row in enumerate(rows) for value in row if point(value) > 1]
    for product in (scale * point(v) for v in rows[0]):
        print("product", product)
    last = [y := v + point(0) for v in rows[1]]
    return out, last, y


class Holder:
    factors = [point(1), 2] if False else [1, 2]
    table = {f: f * 10 for f in factors}

    def scaled(self):
        return [self.table[f] + point(1) for f in self.factors]


print(work([[1, 2], [3]]))
print(Holder().scaled())
functions = [lambda i=i: point(i) for i in range(2)]
print([f() for f in functions])
