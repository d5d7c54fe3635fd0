"""Two programs commit (some children killed), one process forgets, one restores, one verifies: at once, on one store.

    python stress/journal_soak.py [SECONDS] [--seed N] [--plant leases]

Holds: what was acknowledged is the newest restore point with the right content; a reader finds every restore point it
was shown; whenever it is verified the store is sound, and at the end. Exits 1 and says what did not hold. `--plant
leases` forgets without asking who reads, which must be found.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "journal")]

from journal_program import Program, content  # noqa: E402

from forkpoint import report  # noqa: E402
from forkpoint.journal import committer, lease  # noqa: E402
from forkpoint.journal import home as homes  # noqa: E402
from forkpoint.journal.reader import Reader  # noqa: E402
from forkpoint.journal.retention import Policy, forget  # noqa: E402
from forkpoint.journal.verify import verify  # noqa: E402

PIECES = [bytes([n]) * 400 for n in range(8)]


def program(home: homes.Home, until: float, chance: random.Random) -> str:
    made = Program(home)
    outcomes = {"K": 0, "F": 0, "?": 0}
    assert made.lease is not None
    while time.time() < until:
        state = [chance.choice(PIECES) for _ in range(4)] + [os.urandom(200)]
        point = homes.new_id()
        receiver, sender = os.pipe()
        child = os.fork()
        if not child:
            try:
                info, manifest = made.write_pack(state, point)
                ready = committer.Committer(sender, made.lease.fd)
                if chance.random() < 0.5:
                    ready.start()
                ready.commit(
                    home, *made.rows(manifest, info),
                    started_ns=time.monotonic_ns(), encode_ms=0.0, keep_last=chance.choice([0, 1, 2]),
                )  # fmt: skip
            finally:
                os._exit(9)
        os.close(sender)
        if chance.random() < 0.2:
            time.sleep(chance.random() * 0.15)
            os.kill(child, 9)
        answer = report.decode(os.read(receiver, report.SIZE))
        os.close(receiver)
        os.waitpid(child, 0)
        outcomes[answer.status] += 1
        with Reader(home) as reader:
            if answer.status == "K" or reader.has(point):
                made.parent = point
            points = reader.points(made.run.id)
            assert not points or points[0].id == made.parent, (points[0], made.parent, answer, reader.damages)
            if answer.status == "K":
                assert content(home, reader.plan(points[0])) == state
    assert not outcomes["F"], outcomes
    return f"commits {outcomes}"


def forgetting(home: homes.Home, until: float, chance: random.Random) -> str:
    rounds = packs = 0
    while time.time() < until:
        packs += len(forget(home, Policy(chance.choice([1, 2, 3]))).packs)
        rounds += 1
        time.sleep(chance.random() * 0.2)
    return f"forgot {rounds} times, {packs} packs"


def restoring(home: homes.Home, until: float, chance: random.Random) -> str:
    read = 0
    while time.time() < until:
        with Reader(home) as reader:
            for run in reader.runs():
                if run.points:
                    sound = reader.newest_sound(run.id)
                    assert not sound.skipped, sound.skipped
                    content(home, sound.plan)
                    oldest = run.points[-1]
                    time.sleep(chance.random() * 0.1)
                    content(home, reader.plan(oldest))
                    read += 2
    return f"read {read} restore points"


def verifying(home: homes.Home, until: float, chance: random.Random) -> str:
    rounds = points = 0
    while time.time() < until:
        found = verify(home)
        assert not found.damages, found.damages
        points += len(found.points)
        rounds += 1
        time.sleep(chance.random() * 0.1)
    return f"verified {rounds} times, {points} restore points"


ROLES = {"program": program, "forgetting": forgetting, "restoring": restoring, "verifying": verifying}
STARTED = ("program", "program", "forgetting", "restoring", "verifying")


def play(role: str, path: str, until: float, seed: str, plant: str) -> None:
    if plant == "leases":
        lease.readers = lambda home: []
    chance = random.Random(f"{seed} {role}")
    print(role, ROLES[role](homes.open_home(path), until, chance), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--plant", choices=["leases"], help="with this bug: must fail")
    parser.add_argument("--role", nargs=2, metavar=("ROLE", "STORE"), help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.role:
        play(*asked.role, asked.until, str(asked.seed), asked.plant or "")
        return 0
    print(f"seed {asked.seed}, {asked.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="forkpoint-soak-") as folder:
        os.environ |= {"XDG_CONFIG_HOME": f"{folder}/config", "XDG_STATE_HOME": f"{folder}/state"}
        home = homes.create(f"{folder}/store")
        common = ["--until", str(time.time() + asked.seconds), *(["--plant", asked.plant] if asked.plant else [])]
        running = [
            subprocess.Popen(
                [sys.executable, __file__, "--role", role, home.path, *common, "--seed", str(asked.seed + n)]
            )
            for n, role in enumerate(STARTED)
        ]
        failed = [process.wait() for process in running]
        found = verify(home)
        print(f"verify: {len(found.points)} restore points, damages {found.damages}")
    return 1 if any(failed) or found.damages else 0


if __name__ == "__main__":
    sys.exit(main())
