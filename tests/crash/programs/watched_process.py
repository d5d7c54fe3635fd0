"""What psutil says of the program's own process, of its children and of others, asked through objects made before."""

import os
import subprocess
import sys

import psutil
from points import point


class Meter(psutil.Process):
    """The program's own subclass, with attributes of its own, in a cycle."""

    def __init__(self, label):
        super().__init__()
        self.label = label
        self.log = [self]


own = psutil.Process(os.getpid())
meter = Meter("rss")
child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.DEVNULL)
ended = psutil.Process(child.pid)
child.wait()
first = psutil.Process(1)
ages = {own: "own", ended: "ended", first: "first"}

for epoch in range(3):
    point()
    print(epoch, own.pid == os.getpid(), own == psutil.Process(), own.memory_info().rss > 0, own.is_running())
    print(meter.label, meter.log[0] is meter, meter.memory_info().rss > 0, ages[meter], ages[psutil.Process(1)])
    with own.oneshot():
        print(own.ppid() == os.getppid(), own.num_threads() > 0, ended.is_running(), ages[ended])
    try:
        ended.memory_info()
    except psutil.NoSuchProcess:
        print("gone")
