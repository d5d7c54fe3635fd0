"""`python -m forkpoint`, and the console command of that name."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status. `run` and `restore` replace this process and do not return."""
    from forkpoint.cli.app import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
