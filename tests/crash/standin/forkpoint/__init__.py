"""A stand-in product for testing the harness itself: it restores by running a deterministic program again, unheard.

STANDIN_BUG plants a defect: `doubled` prints a line twice after a restore, `early` comes back one point too early,
`refuse` never commits, `crash` dies while restoring. Whoever judges products must see each of them.
"""

import datetime
import json
import os
import signal
import sys

_bug = os.environ.get("STANDIN_BUG", "")
_replay = int(os.environ.pop("STANDIN_REPLAY", "0"))
_fault = os.environ.get("FORKPOINT_FAULT", "").rpartition(":")
_count = 0
_committed = 0

if _replay:
    _heard = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class Checkpoint:
    """What the real one answers, as far as the programs look."""

    def __init__(self, restored=False, durable=True):
        self.restored, self.durable = restored, durable
        self.id, self.reason = (f"point{_count}", "") if durable else (None, "turned off")


def checkpoint(label=None, wait=False):
    """Write down that the program came this far, or stop being unheard when this is how far it had come."""
    global _count, _committed
    _count += 1
    if os.environ.get("FORKPOINT_DISABLE") or _bug == "refuse":
        return Checkpoint(durable=False)
    sys.stdout.flush()
    if _count < _replay:
        return Checkpoint(restored=True)
    if _count == _replay:
        if _bug == "crash":
            os._exit(1)
        os.dup2(_heard, 1)
        if _bug == "doubled":
            print("once more", flush=True)
        return Checkpoint(restored=True)
    path = os.path.join(os.environ["STANDIN_STORE"], "journal.db")
    with open(path) as file:
        state = json.load(file)
    state["bytes"] = int(os.environ.get("STANDIN_BYTES", "0")) + os.fstat(1).st_size
    state |= {"count": max(1, _count - (_bug == "early")), "env": dict(os.environ)}
    state["at"] = datetime.datetime.now(datetime.UTC).isoformat()
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    packs = os.path.join(os.environ["STANDIN_STORE"], "packs")
    os.makedirs(packs, exist_ok=True)
    with open(os.path.join(packs, f"{os.getpid()}.{_count}"), "w"):
        os.replace(path + ".new", path)
    _committed += 1
    if _fault[0] == "program.durable:kill" and _committed == int(_fault[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return Checkpoint()
