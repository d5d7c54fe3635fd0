"""Formatting around a call: f-string parts already built, nested specs, %, format and join wait on the value stack."""

from points import point

width, price = 9, 3.14159
print(f"a{width}b{point(price):>{width}.2f}c{point('x')!r}")
print(f"{point(1)}{point(2)}{point(3)}" + f"{point('end')=}")
print("%s-%05d-%r" % (point("s"), point(42), "q"))
print("{0}/{name:^7}/{1:x}".format(point("zero"), point(255), name="mid"))
print(", ".join([str(point(n)) for n in (1, 2)]) + "!" * point(2))


def table(rows):
    text = "head\n"
    for name, value in rows:
        text += f"{name:<6}|{value:>{point(6)}.1%}|{name!r:>{width}}\n"
    return text


print(table([("one", 0.5), ("two", 0.25)]))
print(f"{'nested ' + f'{point(7):03d}'}", f"{(lambda v: point(v) * 2)(4)}", f"{width:{'>'}{point(4)}}")
