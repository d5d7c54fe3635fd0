"""Trace and profile functions of the program's own, set while frames are on the stack, and the stack they see below."""

import sys
import traceback

from points import point

events = []


def tracer(frame, event, argument):
    if frame.f_code.co_filename != __file__:
        return None
    events.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))
    return None if frame.f_code.co_name == "leaf" else tracer


def profiler(frame, event, argument):
    if frame.f_code.co_filename == __file__:
        events.append((event, frame.f_code.co_name))


def leaf(n):
    return point(n)


def numbers(n):
    for i in range(n):
        yield leaf(i)


def work():
    total = 0
    for n in numbers(2):
        total += n
        point()
    try:
        raise KeyError(total)
    except KeyError:
        point()
        total += 1
    return total


sys.settrace(tracer)
print(work(), sys.gettrace() is tracer)
sys.settrace(None)
point()
sys.setprofile(profiler)
print(work(), sys.getprofile() is profiler)
sys.setprofile(None)
print(events)


def bottom():
    point()
    print([each.name for each in traceback.extract_stack()], sys._getframe(1).f_back)


bottom()
