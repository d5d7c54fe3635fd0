"""Loops over the files of directories as they were listed: rglob, sorted entries, walks; files come and go meanwhile."""

import os
import tracemalloc
from pathlib import Path

from points import point

tracemalloc.start(3)
for folder in ("data", "data/a", "data/a/b"):
    os.mkdir(folder)
    for number in range(2):
        Path(folder, f"{number}.txt").write_text(str(number) * (number + 2))
os.symlink("0.txt", "data/latest")

for path in sorted(Path("data").rglob("*.txt")):
    print(path, path.read_text())
total = 0
for path in Path("data").rglob("*.txt"):
    point()
    total += len(path.read_text())
print("together", total)

entries = sorted(os.scandir("data"), key=lambda entry: entry.name)
for entry in entries:
    point()
    print(entry, entry.path, entry.is_dir(), entry.is_file(), entry.is_symlink(), entry.inode() > 0, os.fspath(entry))
    print(entry.is_file(follow_symlinks=False), entry.name == "a" or entry.stat().st_size, entry is entries[0])

first = entries[0]
os.remove(first.path)
point()
print(first, first.is_file(), first.is_dir(), os.path.exists(first))
for folder, folders, files in os.walk("data"):
    point()
    print(folder, sorted(folders), sorted(files), tracemalloc.is_tracing(), tracemalloc.get_traceback_limit())

number = os.open("data/a", os.O_RDONLY)
Path("0.txt").write_text("not this one, which has the same name")
by_number = sorted(os.scandir(number), key=lambda entry: entry.name)
for entry in by_number:
    point()
    print(entry, entry.path, entry.is_dir(), entry.is_file(), entry.stat().st_size if entry.is_file() else None)
os.close(number)
for folder, folders, files, number in os.fwalk("data"):
    point()
    print(folder, sorted(folders), sorted(files), sorted(os.stat(name, dir_fd=number).st_size for name in files))
