"""`forkpoint.checkpoint()` called straight from the program, three frames down, inside expressions and arguments."""

import forkpoint

depth = []


def save(label):
    return forkpoint.checkpoint(label, wait=True).id is None


def inner(x):
    depth.append(x)
    result = [x, forkpoint.checkpoint(wait=True) is not None, x * 2]
    return result


def middle(x):
    for i in range(2):
        with open("/dev/null"):
            value = {"a": i, "b": inner(x + i), "c": len(depth)}
        print("middle", i, value)
    return value["c"] + (1 if forkpoint.checkpoint("in an expression", wait=True) else 0)


def outer(x):
    total = 100 + middle(x) * 2
    print("outer", total, depth)
    return total


print(outer(1))
print(outer(5) if forkpoint.checkpoint("condition", wait=True) else None)
print("end", max(len(depth), isinstance(save("argument"), bool)))
