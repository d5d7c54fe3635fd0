"""Loops: for, while, nested, one-line, with else, break and continue, over every builtin iterable."""

from points import point

steps = 0


def nested(rows):
    total = 0
    for r, row in enumerate(rows):
        for c, cell in zip(range(len(row)), row):
            if cell < 0:
                print("skip", r, c)
                continue
            if cell == 5:
                point()
            total += cell * (r + 1)
            print("cell", r, c, cell, total)
            if total > 40:
                print("break")
                break
        else:
            print("row done", r)
    return total


print("nested", nested([[1, 5, -1], [5, 2], [9, 9, 9]]))

n = 3
while n:
    n -= 1
    if n == 1:
        point()
    print("while", n)
else:
    print("while else", n)

for i in range(3): steps += i * point(1); print("one-line", i, steps)

while steps < 6: steps += point(2)
print("one-line while", steps)

for name, values in {"list": [1, 2], "tuple": (3, 4), "text": "ab", "bytes": b"xy", "dict": {"k": 1, "l": 2}}.items():
    for value in values:
        if name in ("tuple", "dict"):
            point()
        print(name, value)

for value in reversed([1, 2, 3]):
    for other in range(10, 0, -4):
        if (value, other) == (2, 6):
            point()
        print("reversed", value, other)

print("end", steps)
