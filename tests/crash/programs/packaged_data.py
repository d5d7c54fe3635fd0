"""Packages in an archive and without `__init__`, with files beside their modules that are read again and again."""

import importlib.resources
import os
import pkgutil
import sys
import zipfile

from points import point

with zipfile.ZipFile("packed.zip", "w") as packed:
    for name, text in {"zipped/__init__.py": "def one(): return 1\n", "zipped/words.txt": "in an archive"}.items():
        packed.writestr(zipfile.ZipInfo(name), text)
os.makedirs("spread/deep")
for name, text in {"words.txt": "no init", "deep/module.py": "def two(): return 2\n"}.items():
    with open(os.path.join("spread", name), "w") as file:
        file.write(text)
sys.path[:0] = [os.path.abspath("packed.zip"), os.getcwd()]

import spread.deep.module  # noqa: E402
import zipped  # noqa: E402

for step in range(3):
    point()
    print(step, zipped.one(), pkgutil.get_data("zipped", "words.txt"), type(zipped.__loader__).__name__)
    print((importlib.resources.files("zipped") / "words.txt").read_text())
    print(spread.deep.module.two(), (importlib.resources.files(spread) / "words.txt").read_text())
    print(type(spread.__path__).__name__, spread.__path__ is spread.__spec__.submodule_search_locations)
os.makedirs("second/spread")
with open("second/spread/late.py", "w") as file:
    file.write("three = 3\n")
sys.path.append(os.path.abspath("second"))
point()
import spread.late  # noqa: E402

print(spread.late.three, len(spread.__path__))
