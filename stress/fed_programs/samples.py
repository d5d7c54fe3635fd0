"""Draws as many samples as its input files ask for, one file after the other, and keeps all of them.

Says on stderr how long it stood still at most, from one sample or look at its input to the next.
"""

import hashlib
import os
import random
import sys
import time


class Pauses:
    def __init__(self):
        self.last = time.perf_counter()
        self.longest = 0.0

    def note(self):
        now = time.perf_counter()
        self.longest = max(self.longest, now - self.last)
        self.last = now


def batches(names, pauses):
    for name in names:
        while not os.path.exists(name):
            time.sleep(0.01)
            pauses.note()
        with open(name) as file:
            yield name, int(file.read())


def main():
    generator = random.Random(12)
    kept = []
    pauses = Pauses()
    for name, count in batches((f"batch{n}" for n in range(1, 5)), pauses):
        for _ in range(count):
            kept.append(generator.randbytes(32 << 10))
            time.sleep(0.005)
            pauses.note()
        print(name, len(kept), hashlib.sha256(kept[-1]).hexdigest(), flush=True)
        print(f"longest pause {pauses.longest:.3f} s", file=sys.stderr, flush=True)
    print("all", hashlib.sha256(b"".join(kept)).hexdigest())


if __name__ == "__main__":
    main()
