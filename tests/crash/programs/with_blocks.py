"""With statements: enter and exit called from here, several managers at once, swallowing, commit points inside both."""

from points import point


class Traced:
    def __init__(self, name, swallow=False, commits=False):
        self.name = name
        self.swallow = swallow
        self.commits = commits
        self.log = []

    def __enter__(self):
        print("enter", self.name)
        if self.commits:
            point()
        self.log.append("in")
        return self

    def __exit__(self, kind, value, traceback):
        print("exit", self.name, kind.__name__ if kind else None, value)
        if self.commits:
            point()
        self.log.append("out")
        return self.swallow


def plain():
    with Traced("a") as a, Traced("b", commits=True) as b:
        point()
        print("inside", a.log, b.log)
    print("after", a.log, b.log)


def swallowing():
    with Traced("outer", swallow=True, commits=True) as outer:
        with Traced("inner", commits=True):
            point()
            raise KeyError("lost")
        print("never")
    print("swallowed", outer.log)
    return "ok"


def leaving():
    for i in range(3):
        with Traced(f"loop{i}", commits=i == 1) as t:
            if i == 0:
                continue
            if i == 2:
                point()
                break
            print("body", i, t.log)
    with Traced("return", commits=True):
        return point("returned")


plain()
print(swallowing())
print(leaving())
