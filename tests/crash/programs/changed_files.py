"""Files written in every way there is: what was written after a point is taken back when the point is."""

import csv
import json
import os
import shutil
import tempfile
from pathlib import Path

from points import point

here = Path("made")
here.mkdir()
kept_open = open(here / "kept_open.log", "w")
updated = open(here / "updated.bin", "w+b")
updated.write(bytes(100))
scratch = tempfile.mkdtemp(dir=".", prefix="scratch-")
shutil.rmtree(scratch)


def row(number):
    with open(here / "rows.csv", "a", newline="") as file:
        csv.writer(file).writerow([number, number * number])


def step(number):
    row(number)
    (here / "state.json").write_text(json.dumps({"number": number, "rows": os.path.getsize(here / "rows.csv")}))
    kept_open.write(f"line {number}\n")
    updated.seek(number)
    updated.write(b"%d" % number)
    updated.flush()
    temporary = here / f"model-{number}.tmp"
    temporary.write_bytes(b"%d" % number * 1000)
    os.replace(temporary, here / f"model-{number % 3}")
    assert not (here / f"flag-{number}").exists(), "a file made after the point is still there"
    (here / f"flag-{number}").touch()
    if number > 1:
        os.remove(here / f"flag-{number - 2}")
    os.makedirs(here / "new" / "deep")
    (here / "new" / "deep" / "part").write_text(str(number))
    os.rename(here / "new", here / f"folder-{number}")


for number in range(6):
    step(number)
    point()
    if number == 3:
        shutil.rmtree(here / "folder-1")
        with open(__file__.replace("changed_files.py", "points.py"), "a") as file:
            file.write("# the program's own input, added to\n")
print(sorted(path.name for path in here.iterdir()), (here / "rows.csv").read_text().split())
kept_open.close()
updated.close()
