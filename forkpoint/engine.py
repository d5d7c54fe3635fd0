"""The order of things: capture -> snapshot (fork) -> encode (child) -> journal (child); and how a program comes back.

The only file that knows this order. What runs in the program is `commit`, down to the fork; `_child` is the forked
child's whole work. If the program dies inside `commit` before the fork there is no new restore point; after it, the
child finishes alone.
"""

from __future__ import annotations

import atexit
import datetime
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forkpoint import _native, errors, faultpoints, limits, registry
from forkpoint import settings as choices
from forkpoint.autosave import Autosave
from forkpoint.capture import ambient, descriptors, preview, roots, stack, threads
from forkpoint.encode import pickler, unpickler
from forkpoint.journal import committer, home, known, lease, pack, packfile
from forkpoint.journal import plan as planning
from forkpoint.journal.runs import RunInfo
from forkpoint.model import EXCLUDED, CapturedStack, Manifest, ProgramImage, Refusal, Trigger
from forkpoint.order import interpreter_flags
from forkpoint.point import Checkpoint
from forkpoint.report import Report
from forkpoint.restore import install, resume
from forkpoint.say import say
from forkpoint.snapshot import forker, memory, stdout


@dataclass(slots=True)
class Totals:
    """What this process has done so far, for the line at the end of the run."""

    points: int = 0
    failed: int = 0
    bytes_new: int = 0
    stopped_seconds: float = 0.0
    worst_stop_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What the program read of itself at the commit point; the fork hands it to the child."""

    trigger: Trigger
    label: str | None
    stack: CapturedStack
    found: roots.Roots
    before: Mapping[str, Any]
    files: tuple[descriptors.OpenFile, ...]
    stdout_bytes: int
    created_at: str
    started_ns: int


def now() -> str:
    """The wall clock, UTC, for people; order never depends on it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class Engine:
    """The one engine of a process: takes commits of the run whose lease it holds."""

    def __init__(self, settings: choices.Settings, store: home.Home, info: RunInfo, held: lease.Lease) -> None:
        self.settings = settings
        self.store = store
        self.info = info
        self.run = info.id
        self.pid = os.getpid()
        self.restored = False
        self.parent: str | None = None
        self.stdout_before = 0
        self.totals = Totals()
        self.refusals: dict[tuple[str, str], int] = {}
        self.durable_at = time.monotonic()
        self._lease = held
        self._trigger: Autosave | None = None
        self._child: forker.ChildHandle | None = None
        self._point = ""
        self._place = ""
        self._reports: dict[str, Report] = {}
        self._began = time.perf_counter()
        self._status: tuple[int, bool] = (0, True)
        committer.prepare()
        _native.collect_start()
        self._told: set[str] = set()

    @classmethod
    def adopt(cls, settings: choices.Settings, info: RunInfo, lease_fd: int) -> Engine:
        """The engine of a process that `forkpoint run` or `restore` exec'd: the run exists, its lease is held."""
        return cls(settings, home.open_home(str(settings.store)), info, lease.adopt(info.id, lease_fd))

    @classmethod
    def begin_run(cls, settings: choices.Settings) -> Engine:
        """The engine of a plain `python` process; its run is entered in the journal by its first commit."""
        store = home.create(str(settings.store))
        info = RunInfo(
            id=home.new_id(),
            program=sys.argv[0] or "-",
            argv=tuple(sys.argv),
            cwd=os.getcwd(),
            created_at=now(),
            facts={"kind": "plain"},
        )
        engine = cls(settings, store, info, lease.acquire(store, info.id))
        atexit.register(engine._end_plain)
        return engine

    # ------------------------------------------------------------------ the program's life

    def begin(self) -> None:
        """Automatic commits begin: before the program's first line, and again in a restored process."""
        self._trigger = Autosave(self)
        self._trigger.start()

    def pause(self) -> None:
        """No automatic commit begins after this; a child at work finishes its own."""
        if self._trigger is not None:
            self._trigger.stop()

    def leaving(self, status: int, *, finished: bool) -> None:
        """Note how the program ends; `finished` runs are never resumed by themselves."""
        self._status = (status, finished)

    def end(self, *, quick: bool = False, quiet: bool = False) -> None:
        """The program is over: record it, and say in one line what was kept. Never raises into the program."""
        if os.getpid() != self.pid:
            return
        self.pause()
        if not quick:
            self.poll(limits.END_WAIT_SECONDS)
        status, finished = self._status
        try:
            lease.mark_end(self.store, self.run, status, finished)
        except OSError as problem:
            say(f"the end of the run could not be recorded: {problem}")
        if not (quiet or self.settings.quiet):
            self._say_end(finished)

    def _end_plain(self) -> None:
        """The end as an atexit function sees it: an exception that ended the program has left its traces in `sys`."""
        if hasattr(sys, "last_value"):
            self.leaving(1, finished=False)
        self.end(quiet=True)

    def _say_end(self, finished: bool) -> None:
        totals = self.totals
        elapsed = max(time.perf_counter() - self._began, 1e-9)
        failed = f", {totals.failed} failed" if totals.failed else ""
        say(
            f"{totals.points} restore points{failed}, stopped {100 * totals.stopped_seconds / elapsed:.2f} % of "
            f"{elapsed:.1f} s, worst {1000 * totals.worst_stop_seconds:.1f} ms, {totals.bytes_new:,} bytes"
        )
        if not totals.points and elapsed > limits.AUTO_SECONDS_MIN:
            say(f"no restore point was taken: {self.why_none()}")
        if not finished and self.parent:
            say(f"to go on from the last restore point: forkpoint restore {self.parent[:12]} --store {self.store.path}")

    # ------------------------------------------------------------------ what stands in the way

    def note(self, refusal: Refusal) -> None:
        """Count what stands in the way of commits at a place; `show` lists it."""
        key = (refusal.reason, refusal.location)
        if key not in self.refusals and len(self.refusals) >= limits.REFUSALS_LISTED:
            key = ("other reasons", "")
        self.refusals[key] = self.refusals.get(key, 0) + refusal.count

    def why_none(self) -> str:
        """The commonest reason why no commit was taken, in one sentence."""
        if not self.refusals:
            return "the program has not come to a place where one can be taken"
        reason, location = max(self.refusals, key=lambda key: self.refusals[key])
        return f"{reason} ({location})" if location else reason

    def failed(self, message: str) -> None:
        """A commit failed: never silent, and never the program's end unless it asked for that."""
        self.totals.failed += 1
        if self.settings.on_error == "raise":
            raise errors.CommitFailed(message)
        if message not in self._told:
            self._told.add(message)
            say(message)

    def ask_threads(self) -> None:
        """Raise Refused when a live thread or child process would be missing after a restore."""
        in_the_way = threads.blockers(self.settings.ignore_threads)
        if in_the_way:
            raise errors.Refused("; ".join(in_the_way), hint="wait for it to end, or use --ignore-threads")

    # ------------------------------------------------------------------ one commit, in the program

    @property
    def busy(self) -> bool:
        """Whether a child is at work."""
        return self._child is not None

    def commit(
        self,
        trigger: Trigger,
        *,
        label: str | None = None,
        mode: stack.Mode = "call",
        destination: int | None = None,
    ) -> Checkpoint:
        """Stop, capture, fork, go on: the program is stopped inside this call only, and never waits for the child.

        An explicit checkpoint first waits for a child that is still running, since it must not be an older state.
        Raises `Refused` when here is no commit point, `CommitFailed` when there could be no child.
        """
        began = time.perf_counter()
        self.poll(None if trigger == "explicit" else 0.0)
        if self.busy:
            raise errors.Refused("the commit before is still being written")
        waited = time.perf_counter()
        self.ask_threads()
        moment = self._moment(trigger, label, mode, destination)
        problem = memory.check()
        if problem:
            raise errors.Refused(problem)
        captured = time.perf_counter()
        point = home.new_id()
        child = forker.fork(
            lambda side: self._write(side, point, moment),
            keep_fds=(self._lease.fd,),
            deadline_seconds=limits.CHILD_DEADLINE_SECONDS,
        )
        ended = time.perf_counter()
        child.publish(wait=waited - began, capture=captured - waited, fork=ended - captured, stop=ended - waited)
        faultpoints.reach("program.forked")
        self._child, self._point, self._place = child, point, str(moment.stack.location)
        self.totals.stopped_seconds += ended - waited
        self.totals.worst_stop_seconds = max(self.totals.worst_stop_seconds, ended - waited)
        return Checkpoint(point, poll=lambda timeout: self._outcome(point, timeout))

    def _moment(self, trigger: Trigger, label: str | None, mode: stack.Mode, destination: int | None) -> Moment:
        """Read what a fork does not freeze. No walk of the object graph, no I/O but flushing the program's output."""
        captured = stack.capture(mode, destination=destination)
        stdout.flush()
        return Moment(
            trigger=trigger,
            label=label,
            stack=captured,
            found=roots.find(),
            before=ambient.before_fork(),
            files=descriptors.opened({self._lease.fd}),
            stdout_bytes=self.stdout_before + stdout.count(),
            created_at=now(),
            started_ns=time.monotonic_ns(),
        )

    def poll(self, timeout: float | None = 0.0) -> None:
        """Learn, waiting at most `timeout` seconds (None: as long as it takes), how the running child ended."""
        if self._child is None:
            return
        report = self._child.wait(timeout) if timeout != 0.0 else self._child.poll()
        if report is None:
            return
        self._child = None
        self._reports = {self._point: report}
        self._account(report)

    def _outcome(self, point: str, timeout: float | None) -> Report | None:
        """How `point` ended, waiting at most `timeout` seconds; None while that is open."""
        if point == self._point:
            self.poll(timeout)
        return self._reports.get(point)

    def _account(self, report: Report) -> None:
        if report.status == "K":
            self.parent = self._point
            self.durable_at = time.monotonic()
            self.totals.points += 1
            self.totals.bytes_new += report.bytes_new
        elif report.status == "N":
            self.note(Refusal(report.message, self._place))
        else:
            self.failed(f"restore point {self._point[:12]} is missing: {report.message}")

    # ------------------------------------------------------------------ one commit, in the forked child

    def _write(self, side: forker.ChildSide, point: str, moment: Moment) -> None:
        """The child's whole work; ends in exec of the committer. What goes wrong here is reported, never raised."""
        descriptors.open_again(moment.files)  # first: nothing else may take their numbers
        faultpoints.reach("child.started")
        began = time.monotonic_ns()
        image = ProgramImage(
            modules=moment.found.by_value,
            imports=moment.found.imports,
            stack=moment.stack,
            ambient={**ambient.capture(moment.before), "forkpoint": registry.capture()},
            facts=ambient.facts(),
        )
        packing = pack.PackWriter(self.store, self.info, point, known.load(self.store, self.run, self.parent))
        reducers = {**ambient.reducers(), **registry.adapters}
        encoded = pickler.encode(
            image,
            named=roots.named(moment.found),
            reducers=reducers,
            sink=packing,
            positions={file.fd: file.offset for file in moment.files},
            excluded=registry.excluded(moment.stack),
            preview=preview.preview,
        )
        faultpoints.reach("child.encoded")
        split = side.split()
        manifest = Manifest(
            point=point,
            run=self.run,
            parent=self.parent,
            label=moment.label,
            trigger=moment.trigger,
            created_at=moment.created_at,
            location=str(moment.stack.location),
            complete=all(stone.reason == EXCLUDED for stone in encoded.tombstones),
            stdout_bytes=moment.stdout_bytes,
            split_ms={"wait": split.wait_ms, "capture": split.capture_ms, "fork": split.fork_ms},
            stop_ms=split.stop_ms,
            bytes_total=sum(pod.length for pod in encoded.pods),
            pods=encoded.pods,
            variables=encoded.variables,
            tombstones=encoded.tombstones,
            refusals=tuple(Refusal(reason, where, count) for (reason, where), count in self.refusals.items()),
            files=(),
            provenance=self._provenance(moment),
        )
        written = packing.finish(manifest)
        committer.exec_committer(
            self.store,
            self.info,
            written,
            manifest,
            report_fd=side.report_fd,
            lease_fd=self._lease.fd,
            started_ns=moment.started_ns,
            encode_ms=(time.monotonic_ns() - began) / 1e6,
            keep_last=self.settings.keep_last,
        )

    def _provenance(self, moment: Moment) -> dict[str, Any]:
        """What it takes to start this program again, and what it ran on."""
        start = {
            "python": list(sys.version_info[:3]),
            "flags": interpreter_flags(),
            "hash_seed": os.environ.get("PYTHONHASHSEED", ""),
            "hash_secret": _native.hash_secret().hex(),
            "frames": len(moment.stack.frames),
            "settings": choices.as_plain(self.settings),
        }
        return {"start": start, **ambient.provenance(moment.found.by_value)}

    # ------------------------------------------------------------------ coming back

    def come_back(self, plan_fd: int, cwd: str | None) -> Callable[[], object]:
        """Put the state of the restore point in `plan_fd` back; what is returned lets the program go on to its end.

        Raises `RestoreFailed` when an object or a library's state cannot be put back; the store is unchanged, and this
        process must not go on.
        """
        with open(plan_fd, "rb") as stream:
            stream.seek(0)
            plan = planning.RestorePlan.from_bytes(stream.read())
        manifest = plan.manifest
        source = packfile.PackReader(self.store, plan)
        try:
            image = self._rebuild(manifest, source, cwd)
        except errors.ForkpointError:
            raise
        except Exception as problem:
            raise errors.RestoreFailed(
                f"restore point {manifest.point[:12]} cannot be brought back: {type(problem).__name__}: {problem}",
                hint=f"an earlier one: forkpoint restore {manifest.run[:8]}@{plan.seq - 1} --store {self.store.path}",
            ) from problem
        finally:
            source.close()
        self.parent, self.stdout_before, self.restored = manifest.point, manifest.stdout_bytes, True
        captured = image.stack
        assert captured is not None
        return lambda: self._resume(captured, Checkpoint(manifest.point, restored=True))

    def _rebuild(self, manifest: Manifest, source: packfile.PackReader, cwd: str | None) -> ProgramImage:
        preamble = unpickler.decode_preamble(manifest.pods, source)
        install.prepare(preamble, cwd)
        ambient.prepare(preamble.facts)
        image = unpickler.decode(manifest.pods, source)
        registry.restore(image.ambient["forkpoint"])
        ambient.restore(image.ambient, skip=("working_directory",) if cwd else ())
        return image

    def _resume(self, captured: CapturedStack, point: Checkpoint) -> object:
        for function in registry.after_restore:
            function()
        self.begin()
        return resume.resume(captured, point)
