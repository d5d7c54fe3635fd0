"""The generator protocol: send, throw, close, return values, yield from delegation, a commit point on every path."""

from points import point


def averager():
    total = count = 0
    while True:
        try:
            value = yield total / count if count else None
        except ValueError as error:
            point()
            print("thrown", error)
            total = count = 0
            continue
        if value is None:
            point()
            return total
        total += value
        count += 1
        if count == 2:
            point()


def delegate(results):
    while True:
        result = yield from averager()
        results.append(result)
        print("delegate got", result)


results = []
d = delegate(results)
next(d)
print(d.send(10), d.send(20), d.send(60))
print(d.throw(ValueError("reset")))
print(d.send(4))
print(d.send(None), results)
point()
print(d.send(7), d.gi_running, d.gi_frame is not None)
d.close()
print("closed", d.gi_frame)


def cleanup():
    try:
        yield 1
        yield 2
    except GeneratorExit:
        point()
        print("asked to stop")
        raise
    finally:
        print("cleaned")


c = cleanup()
print(next(c))
point()
c.close()


def echo():
    received = []
    while len(received) < 3:
        received.append((yield len(received)))
        point() if len(received) == 2 else None
    return received


def outer():
    got = yield from echo()
    yield "done", got


o = outer()
print(next(o), o.send("a"), o.send("b"))
point()
print(o.send("c"))
try:
    o.send(None)
except StopIteration as stop:
    print("stop", stop.value)
