"""What the program drops after a restore is gone then and there."""

import weakref

from ckapi import checkpoint


class Thing:
    def __del__(self):
        print("gone", self.name)

    def __init__(self, name):
        self.name = name


def steps():
    thing = Thing("of the generator")
    try:
        yield 1
        checkpoint()
        yield 2
    finally:
        print("closing", thing.name)


def work():
    local = Thing("local")
    running = steps()
    for value in running:
        if value == 2:
            break
    del running
    print("loop left")
    checkpoint()
    known = weakref.ref(local)
    local = None
    print("local dropped", known())


work()
print("end")
