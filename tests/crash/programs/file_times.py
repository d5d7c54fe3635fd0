"""Checkpoints in folders, of which the oldest goes by the time it was changed last; an index that notes these times."""

import os
import shutil

from points import point

KEPT = 2
noted = {}


def folders():
    return sorted((name for name in os.listdir() if name.startswith("step-")), key=lambda name: os.stat(name).st_mtime_ns)


def save(step):
    name = f"step-{step}"
    os.mkdir(name)
    for part in ("weights", "state"):
        with open(f"{name}/{part}", "w") as file:
            file.write(f"{part} {step}")
    for path in (name, f"{name}/weights", f"{name}/state"):
        noted[path] = os.stat(path).st_mtime_ns
    for old in folders()[:-KEPT]:
        shutil.rmtree(old)
        for path in [path for path in noted if path.split("/")[0] == old]:
            del noted[path]


with open("log", "w") as log:
    for step in range(5):
        save(step)
        point()
        print(folders(), [os.stat(path).st_mtime_ns - when for path, when in noted.items()])
        with open(f"{folders()[0]}/seen", "a") as seen:
            seen.write(f"{step}\n")
        noted[folders()[-1]] = os.stat(folders()[-1]).st_mtime_ns
        print(step, file=log, flush=True)
        point()
print(folders(), open("log").read().split())
