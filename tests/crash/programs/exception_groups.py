"""Exception groups: a commit point inside except* handlers, with part of the group still unhandled."""

from points import point


def raiser():
    raise ExceptionGroup("many", [ValueError(1), KeyError("k"), ExceptionGroup("nested", [ValueError(2), OSError(3)])])


def work():
    try:
        raiser()
    except* ValueError as group:
        point()
        print("values", [str(e) for e in group.exceptions])
    except* KeyError as group:
        point()
        print("keys", group.exceptions)
        raise LookupError("from handler")


try:
    work()
except ExceptionGroup as group:
    point()
    print("left", group.message, [repr(e) for e in group.exceptions])
    rest = group.subgroup(lambda e: isinstance(e, OSError))
    print("rest", rest)
point()
print("end")
