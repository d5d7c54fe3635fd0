"""contextlib: generator-based managers, ExitStack, suppress, closing, redirect_stdout, a manager used as decorator."""

import contextlib
import io

from points import point


@contextlib.contextmanager
def section(name):
    print(">", name)
    try:
        yield name * 2
        point()
    except ValueError as error:
        point()
        print("section saw", error)
        raise
    finally:
        print("<", name)


class Closing:
    def close(self):
        print("closed", point("here"))


@section("decorated")
def decorated(x):
    print("in decorated", point(x))
    return x + 1


def stack():
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(section(f"s{i}")) for i in range(2)]
        stack.callback(print, "callback", 1, end="!\n")
        point()
        print("stacked", names)
        inner = stack.pop_all()
    print("handed on")
    with inner:
        point()
        print("still open")


with section("ok") as value:
    print("body", value)

try:
    with section("bad"):
        point()
        raise ValueError("boom")
except ValueError as error:
    print("outside", error)

stack()
print(decorated(4))
with contextlib.suppress(KeyError), contextlib.closing(Closing()):
    point()
    {}["missing"]
print("suppressed")

kept = io.StringIO()
with contextlib.redirect_stdout(kept):
    print("hidden 1")
    point()
    print("hidden 2")
print("redirected", kept.getvalue().split("\n"))
