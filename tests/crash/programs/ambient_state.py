"""State outside the objects: environment, working directory, signals, recursion and resource limits, hooks, umask, gc."""

import gc
import os
import resource
import signal
import sys

from points import point

os.mkdir("below")
os.environ["CRASH_OWN"] = "one"
os.environ.pop("CRASH_POINTS_NOT_THERE", None)
os.chdir("below")
os.umask(0o027)
sys.setrecursionlimit(1234)
sys.setswitchinterval(0.01)
gc.set_threshold(500, 5, 5)
gc.disable()
files, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, 200), most_files))
heard = []


def handler(number, frame):
    heard.append((signal.Signals(number).name, frame is not None))


signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
sys.displayhook = lambda value: print("shown", value)
sys.path.append("/added/by/program")


def state():
    umask = os.umask(0)
    os.umask(umask)
    return (
        os.path.basename(os.getcwd()),
        os.environ["CRASH_OWN"],
        oct(umask),
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        gc.get_threshold(),
        gc.isenabled(),
        signal.getsignal(signal.SIGUSR1) is handler,
        signal.getsignal(signal.SIGUSR2),
        resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        sys.path[-1],
        sys.argv[1:],
        sys.flags.optimize,
    )


before = state()
print(before)
point()
print(state() == before, state())
signal.raise_signal(signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR2)
print(heard)
os.environ["CRASH_OWN"] = "two"
os.chdir("..")
gc.enable()
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 4000))
point()
print(state())
signal.raise_signal(signal.SIGUSR1)
print(heard, os.path.isdir("below"))
sys.displayhook(heard)
assert sys.path.pop() == "/added/by/program"
point()
print(len(sys.path) == len(set(sys.path)), "/added/by/program" in sys.path)
