"""A program that ends with sys.exit inside nested blocks: finally clauses, atexit and the status are the oracle's."""

import atexit
import sys

from points import point

state = {"steps": 0}


@atexit.register
def goodbye():
    print("goodbye", state)


def work():
    with open("/dev/null"):
        try:
            for i in range(10):
                state["steps"] += 1
                print("step", i)
                if i == 1:
                    point()
                if i == 3:
                    point()
                    sys.exit(40 + state["steps"])
        finally:
            point()
            print("leaving")


try:
    work()
except SystemExit as exit:
    point()
    print("exiting", exit.code)
    raise
