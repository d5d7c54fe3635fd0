"""Random kills of a program that never heard of forkpoint: the whole process group, again and again, then compared."""

from __future__ import annotations

import datetime
import itertools
import json
import random
import time
from dataclasses import dataclass, field

from harness import LIMIT_SECONDS, Bench, Finding, Ran, Started, Verdict, first_difference, judge, tail

GENERATIONS_MAX = 60
"""More than this many restores for one program means that it does not get ahead."""

EARLY = 0.2
"""So many of the lives end before a new restore point is on its way: while starting, or while being restored."""

HASTE = 0.7
"""So much of its life gets a program that was over before its first kill: the machine was busier when it was timed."""

STARTS_MAX = 12
"""A program that is over before its kills are gets so many chains."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How one program on this machine runs and commits when nobody kills it, in seconds."""

    took: float
    first: float
    """From the start of the process to its first restore point; its imports are most of it."""
    gap: float
    """The longest time without a restore point from then on."""

    def longest(self, lives: int) -> float:
        """How long a process lives, at the most, from its first commit on: the program gets about `lives` lives."""
        return max((self.took - self.first) / lives, 0.1)

    @property
    def lost_seconds(self) -> float:
        """A restore point older than this, when its program is killed, has lost work."""
        return 5 + 3 * max(self.gap, self.first)


def uninterrupted(bench: Bench, oracle: Ran, every: float) -> tuple[Finding, Rhythm]:
    """Under `forkpoint run` with nothing killed: same output, same status, and commits of the timer."""
    bench.fresh()
    wall, began = time.time(), time.monotonic()
    ran = bench.run("--every", str(every), "--keep-last", "100000")  # or else the first ones would be forgotten
    took = time.monotonic() - began
    points = [p for run in bench.json("log")["runs"][:1] for p in run["points"]]  # no run: it failed before the first
    times = sorted(when(p["created_at"]) for p in points if p["durable"] and p["trigger"] == "timer")
    gap = max((newer - older for older, newer in itertools.pairwise(times)), default=0.0)
    rhythm = Rhythm(took, times[0] - wall if times else took, gap)
    at = "uninterrupted"
    if ran.status != oracle.status:
        difference = f"exit {ran.status}; {first_difference(oracle.out, ran.out)}\n{tail(ran.err)}"
        return Finding(Verdict.HARD_FAIL, at, difference), rhythm
    if ran.out != oracle.out:
        return Finding(Verdict.SILENT_DIVERGENCE, at, first_difference(oracle.out, ran.out)), rhythm
    if ran.files != oracle.files:
        return Finding(Verdict.SILENT_DIVERGENCE, at, f"files differ: {sorted(ran.files)}"), rhythm
    if not times:
        return Finding(Verdict.REFUSED, at, tail(ran.err, 6)), rhythm
    return Finding(Verdict.PASS, at), rhythm


@dataclass(slots=True)
class Chain:
    """One program from start to end through many deaths."""

    bench: Bench
    oracle: Ran
    every: float
    lost_seconds: float
    joined: bytes = b""
    kills: int = 0
    unprotected: int = 0
    point: str | None = None
    places: list[str] = field(default_factory=list)

    def take(self, ran: Ran, died_at: float) -> Finding | None:
        """After a kill: what counts as printed is the first `stdout_bytes` of all output so far.

        A kill that came after the program's own end, while forkpoint was finishing, ends the chain.
        """
        shown = self.bench.ask("show", self._to_be_restored(), "--json")
        if shown.status in (10, 14) and self.point is None:
            self.unprotected += 1
            self.joined = b""
            return None
        at = f"kill {self.kills}"
        if shown.status:
            return Finding(Verdict.HARD_FAIL, at, f"show latest: exit {shown.status}\n{tail(shown.err)}")
        facts = json.loads(shown.out)
        if facts["state"] == "finished":
            return judge(self.oracle, self.joined + ran.out, Ran(self.oracle.status, b"", ran.err, ran.files), at)
        self.kills += 1
        self.joined = (self.joined + ran.out)[: facts["stdout_bytes"]]
        self.places.append(facts["location"])
        if len(self.joined) < facts["stdout_bytes"]:
            detail = f"stdout_bytes {facts['stdout_bytes']}, but only {len(self.joined)} bytes were ever printed"
            return Finding(Verdict.SILENT_DIVERGENCE, at, detail)
        if not self.oracle.out.startswith(self.joined):
            return Finding(Verdict.SILENT_DIVERGENCE, at, first_difference(self.oracle.out, self.joined))
        age = died_at - when(facts["created_at"])
        if facts["id"] != self.point and age > self.lost_seconds:
            return Finding(Verdict.LOST_WORK, at, f"the newest point was {age:.1f} s old; {tail(ran.err, 4)}")
        self.point = facts["id"]
        return None

    def _to_be_restored(self) -> str:
        """What `restore` will take: the newest complete point, or else the newest."""
        asked = self.bench.ask("log", "--json")
        runs = json.loads(asked.out)["runs"] if asked.status == 0 else []
        return next((point["id"] for run in runs[:1] for point in run["points"] if point["complete"]), "latest")


def when(text: str) -> float:
    """A time of `show --json` as seconds since the epoch."""
    moment = datetime.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def random_kills(
    bench: Bench, oracle: Ran, rhythm: Rhythm, *, every: float, at_least: int, rng: random.Random
) -> tuple[list[Finding], Chain]:
    """Kill the group after a random life, restore, and so on to the end; at least `at_least` kills.

    Chains start anew until there were enough kills. One finding a kill that was survived, and one that ends the chain.
    """
    findings: list[Finding] = []
    kills = starts = 0
    longest = rhythm.longest(lives=at_least - 2 if at_least > 3 else 2)
    while True:
        starts += 1
        bench.fresh()
        chain = Chain(bench, oracle, every, rhythm.lost_seconds)
        finding = one_chain(chain, rhythm, longest, rng)
        kills += chain.kills
        if finding.verdict is not Verdict.PASS:
            return [finding], chain
        if chain.kills:
            findings += [Finding(finding.verdict, f"kill {n + 1}") for n in range(chain.kills)]
        else:
            longest *= HASTE
        if kills >= at_least or starts >= STARTS_MAX:
            break
    if not findings:
        findings = [Finding(Verdict.REFUSED, "timer", "no kill found a restore point, though there are some")]
    return findings, chain


def one_chain(chain: Chain, rhythm: Rhythm, longest: float, rng: random.Random) -> Finding:
    """From the start (again from the start while there is no restore point) to the end of the program."""
    bench = chain.bench
    out = bench.scratch / "timer.out"
    for generation in range(GENERATIONS_MAX):
        first = chain.point is None
        argv = bench.run_argv("--every", str(chain.every)) if first else bench.restore_argv()
        if first:
            bench.fresh()
        before = bench.packs(), bench.journal()
        started = bench.start(argv, {}, out)
        if chain.unprotected >= 6:
            ended = started.wait(LIMIT_SECONDS)
        elif rng.random() < EARLY:
            ended = started.wait(rng.uniform(0, rhythm.first))
        else:
            ended = live(bench, started, before) or started.wait(rng.uniform(0, longest))
        if not ended and (chain.unprotected >= 6 or started.age() > LIMIT_SECONDS):
            started.kill()
            return Finding(Verdict.HARD_FAIL, f"generation {generation}", f"hangs\n{tail(started.ran().err)}")
        if ended:
            return finish(chain, started, generation)
        died_at = time.time()
        started.kill()
        if finding := chain.take(started.ran(), died_at):
            return finding
    return Finding(Verdict.LOST_WORK, f"generation {GENERATIONS_MAX}", f"does not get ahead: {chain.places[-5:]}")


def live(bench: Bench, started: Started, before: tuple[frozenset[str], int]) -> bool:
    """Until the process has a restore point of its own; did it end before?

    A clock cannot say this: one machine is through with the program before another has imported its modules. A commit
    writes its pack, and then to the journal.
    """
    packs, journal = before
    while not started.wait(0.01):
        if (bench.packs() - packs and bench.journal() != journal) or started.age() > LIMIT_SECONDS:
            return False
    return True


def finish(chain: Chain, started: Started, generation: int) -> Finding:
    ran = started.ran()
    return judge(chain.oracle, chain.joined + ran.out, ran, f"generation {generation} after {chain.kills} kills")
