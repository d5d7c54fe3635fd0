"""The first file of a program's process: takes itself off sys.path and hands over to `forkpoint.launch`.

Started by path, not with -m: the interpreter then puts this file's folder on sys.path instead of the user's
working directory, and nothing of the user's can shadow what forkpoint imports before the program begins.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

try:
    from forkpoint import launch
except ModuleNotFoundError:
    # A checkout that is not installed: the package's parent is found by this file's own path.
    sys.path.append(__file__.rpartition("/forkpoint/")[0])
    from forkpoint import launch

launch.main(int(sys.argv[1]))
