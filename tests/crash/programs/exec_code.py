"""exec and eval: commit points inside executed code, functions it defines, locals(), separate namespaces."""

from points import point

exec("point()\nanswer = 40 + point(2)\nprint('executed', answer)")
print("answer", answer)

namespace = {"point": point}
exec(
    """
state = []

def step(n):
    state.append(point(n))
    return len(state)

class Made:
    def go(self):
        return step(point(9))
""",
    namespace,
)
print(namespace["step"](1), namespace["step"](2), namespace["Made"]().go(), namespace["state"])


def work():
    inside = {"n": 0}
    code = compile("for i in range(3):\n    n = n + i * point(1)\n    print('inner', n)\n", "<generated>", "exec")
    exec(code, {"point": point, "print": print}, inside)
    print("inside", inside)
    x, y = 1, [2]
    seen = locals()
    keys = sorted(k for k in seen if k in ("x", "y", "inside"))
    point()
    print(keys, seen["y"] is y, seen["x"])
    return eval("lambda k: k + z", {"z": 5})


f = work()
print(f(2), f.__name__, f.__globals__["z"])
for name in ("a", "b"):
    exec(f"def make_{name}(v):\n    return '{name}', point(v)")
    print(globals()[f"make_{name}"](1))
print(make_a(3), make_b(4))
