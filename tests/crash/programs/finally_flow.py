"""finally: return, break and continue that leave a try block, and that override what was leaving it."""

from points import point


def returns():
    try:
        return point("try")
    finally:
        point()
        print("finally after return")


def overrides():
    try:
        point()
        raise ValueError("dropped")
    finally:
        point()
        return "finally wins"


def loops():
    out = []
    for i in range(5):
        try:
            if i == 1:
                continue
            if i == 4:
                break
            out.append(i)
            if i == 2:
                point()
        finally:
            if i in (1, 4):
                point()
            out.append(-i)
            if i == 3:
                continue
        out.append("end")
    return out


def while_true():
    tries = 0
    while True:
        try:
            tries += 1
            if tries == 3:
                break
            raise OSError(tries)
        except OSError as error:
            print("retry", error)
            if tries == 1:
                point()
            continue
        finally:
            print("tries", tries)
            if tries == 2:
                point()
    return tries


def three_deep():
    try:
        try:
            try:
                return "value"
            finally:
                point()
                print("first")
        finally:
            print("second", point(2))
    finally:
        print("third")


print(returns())
print(overrides())
print(loops())
print(while_true())
print(three_deep())
