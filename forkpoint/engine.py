"""The order of things: capture -> snapshot (fork) -> the child's work; and how a program comes back.

What runs in the program is `commit`, down to the fork; what the forked child does is in `forkpoint.commit`. If the
program dies inside `commit` before the fork there is no new restore point; after it, the child finishes alone.
"""

from __future__ import annotations

import atexit
import datetime
import os
import sys
from collections.abc import Callable, Iterable
from time import monotonic, perf_counter
from types import CodeType

from forkpoint import ending, errors, faultpoints, limits, moved, registry, secrecy
from forkpoint import settings as choices
from forkpoint.autosave import Autosave
from forkpoint.capture import (
    ambient,
    descriptors,
    driving,
    forks,
    libraries,
    mappings,
    provenance,
    roots,
    stack,
    threads,
    unfinished,
)
from forkpoint.capture.adapters import raw_descriptors
from forkpoint.commit import Moment, Writing, write
from forkpoint.encode import pickler, unpickler
from forkpoint.files import Files
from forkpoint.journal import cipher, committer, home, lease, packfile, room
from forkpoint.journal import plan as planning
from forkpoint.journal.runs import RunInfo
from forkpoint.losses import Losses
from forkpoint.model import CapturedStack, Manifest, ProgramImage, Refusal, Trigger
from forkpoint.obstacles import BUSY, Obstacles
from forkpoint.places import Places
from forkpoint.point import Checkpoint
from forkpoint.protection import Protection
from forkpoint.rehearsal import Rehearsal
from forkpoint.report import Report
from forkpoint.restore import files, install, resume
from forkpoint.say import say
from forkpoint.snapshot import forker, memory, stdout
from forkpoint.snapshot.burden import Burden
from forkpoint.snapshot.staging import Staging


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
        self.supervisor = 0
        self.parent: str | None = None
        self.stdout_before = 0
        self.totals = ending.Totals()
        self.obstacles = Obstacles()
        self.protection = Protection(self)
        self.rehearsal = Rehearsal() if settings.dry_run else None
        self._lease = held
        self._files = Files(store, info.id, settings.max_file_bytes)
        self._staging = Staging(settings.max_staging_bytes)
        self._burden = Burden()
        self._trigger: Autosave | None = None
        self._child: forker.ChildHandle | None = None
        self._point = ""
        self._place = ""
        self._forked = 0.0
        self._in_vain = 0  # children in a row that found no commit point
        self._reports: dict[str, Report] = {}
        self._status: tuple[int, bool] = (0, True)
        committer.prepare(encrypted=store.encrypted)
        if store.encrypted:
            cipher.load()
        pickler.prepare()
        self.places = Places()
        self._codes: tuple[CodeType, ...] = ()
        driving.start()
        forks.watch()
        self._told: set[str] = set()
        self.losses = Losses()

    @classmethod
    def adopt(cls, settings: choices.Settings, info: RunInfo, lease_fd: int) -> Engine:
        """The engine of a process that `forkpoint run` or `restore` exec'd: the run exists, its lease is held."""
        return cls(settings, home.open_home(str(settings.store)), info, lease.adopt(info.id, lease_fd))

    @classmethod
    def begin_run(cls, settings: choices.Settings) -> Engine:
        """The engine of a plain `python` process; its run is entered in the journal by its first commit."""
        store = home.create(str(settings.store), encrypt=settings.encrypt)
        info = RunInfo(
            id=home.new_id(),
            program=sys.argv[0] or "-",
            argv=secrecy.redacted(sys.argv),
            cwd=os.getcwd(),
            created_at=now(),
            facts={"kind": "plain"},
        )
        engine = cls(settings, store, info, lease.acquire(store, info.id))
        raw_descriptors.note_open()
        engine._watch_files(())
        atexit.register(engine._end_plain)
        return engine

    # ------------------------------------------------------------------ the program's life

    def begin(self) -> None:
        """Automatic commits begin: before the program's first line, and again in a restored process."""
        self._watch_files(())
        self._trigger = Autosave(self)
        self._trigger.start()

    def _watch_files(self, known: Iterable[str], own_databases: Iterable[str] = ()) -> None:
        self._files.watch(
            known=known,
            own_databases=own_databases,
            after_a_point=self.restored,
            committing=lambda: self.busy,
            failed=self._tell_once,
        )

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
        self.losses.tell()
        status, finished = self._status
        self._files.stop()
        try:
            lease.mark_end(self.store, self.run, status, finished)
        except OSError as problem:
            say(f"the end of the run could not be recorded: {problem}")
        if not (quiet or self.settings.quiet):
            ending.tell(self, status, finished)

    def _end_plain(self) -> None:
        """The end as an atexit function sees it: an exception that ended the program has left its traces in `sys`."""
        if hasattr(sys, "last_value"):
            self.leaving(1, finished=False)
        self.end(quiet=True)

    # ------------------------------------------------------------------ what stands in the way

    def room(self) -> tuple[int, int]:
        """(bytes free, bytes that should stay free) where the store is."""
        return room.free(self.store.path)

    def failed(self, message: str) -> None:
        """A commit failed: never silent, and never the program's end unless it asked for that."""
        self.totals.failed += 1
        if self.settings.on_error == "raise":
            raise errors.CommitFailed(message)
        self._tell_once(message)

    def _tell_once(self, message: str) -> None:
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
        began = perf_counter()
        self.poll(None if trigger == "explicit" else 0.0)
        if self.busy:
            raise errors.Refused(BUSY)
        self.losses.tell()
        waited = perf_counter()
        self.ask_threads()
        point = home.new_id()
        moment = self._moment(point, trigger, label, mode, destination)
        problem = memory.check()
        if problem:
            raise errors.Refused(problem)
        captured = perf_counter()
        child = forker.fork(
            lambda side: write(side, self._writing(), moment),
            keep_fds=(self._lease.fd,),
            deadline_seconds=limits.CHILD_DEADLINE_SECONDS,
            staging=self._staging.request(),
        )
        ended = perf_counter()
        child.publish(wait=waited - began, capture=captured - waited, fork=ended - captured, stop=ended - waited)
        faultpoints.reach("program.forked")
        self._burden.begin()
        self._forked = monotonic()
        self.protection.begun()
        self._child, self._point, self._place = child, point, str(moment.stack.location)
        self.totals.stop_seconds = ended - waited
        self._codes = tuple(record.code for record in moment.stack.frames)
        self.totals.stopped_seconds += ended - waited
        self.totals.worst_stop_seconds = max(self.totals.worst_stop_seconds, ended - waited)
        if trigger == "explicit" and self._trigger is not None:
            self._trigger.overtaken()
        checkpoint = Checkpoint(point, poll=lambda timeout: self._outcome(point, timeout))
        if self.rehearsal is not None:
            self.rehearsal.end(self, checkpoint)
        return checkpoint

    def _moment(
        self, point: str, trigger: Trigger, label: str | None, mode: stack.Mode, destination: int | None
    ) -> Moment:
        """Read what a fork does not freeze. No walk of the object graph, no I/O but flushing the program's output."""
        captured = stack.capture(mode, destination=destination)
        if trigger != "explicit":
            unfinished.look(captured, registry.excluded(captured), registry.adapters)
        stdout.flush()
        opened = descriptors.opened({self._lease.fd})
        found = roots.find()
        provenance.look(found.by_value)
        libraries.mark(found)
        return Moment(
            point=point,
            trigger=trigger,
            label=label,
            stack=captured,
            found=found,
            before=ambient.before_fork(),
            opened=opened,
            mappings=mappings.at_commit(),
            files=self._files.at_commit(opened),
            stdout_bytes=self.stdout_before + stdout.count(),
            created_at=now(),
            started_ns=committer.clock_ns(),
        )

    def _writing(self) -> Writing:
        return Writing(
            home=self.store,
            run=self.info,
            parent=self.parent,
            settings=self.settings,
            refusals=self.obstacles.listed(),
            rehearsed=tuple(self.rehearsal.places) if self.rehearsal else (),
            lease_fd=self._lease.fd,
            files=self._files,
            places=self.places,
            losses=self.losses,
            staging=self._staging,
        )

    def poll(self, timeout: float | None = 0.0) -> None:
        """Learn, waiting at most `timeout` seconds (None: as long as it takes), how the running child ended."""
        child = self._child
        if child is None:
            return
        report = child.wait(timeout) if timeout != 0.0 else child.poll()
        if report is None or self._child is not child:  # a tick came while this waited, and has learned it
            return
        self.totals.slowed(self._burden.end(child.cpu_seconds))
        self._child = None
        self._reports = {self._point: report}
        self._account(report)

    def _outcome(self, point: str, timeout: float | None) -> Report | None:
        """How `point` ended, waiting at most `timeout` seconds; None while that is open."""
        if point == self._point:
            self.poll(timeout)
        return self._reports.get(point)

    def _account(self, report: Report) -> None:
        self._learn(report)
        self.protection.ended(report.status == "K")

    def _learn(self, report: Report) -> None:
        if report.status == "K":
            self.parent = self._point
            self.totals.points += 1
            self.totals.bytes_new += report.bytes_new
            self.totals.child_seconds = report.commit_ms / 1000
            self.losses.learn(self._point, report.message)
            self._staging.learn()
            self._files.look_for_unseen()
            self._in_vain = 0
        elif report.status == "N":
            self.obstacles.note(Refusal(report.message, self._place))
            mappings.look_again()
            if report.seq >= 0:
                self.places.avoid(self._codes[report.seq])
            self._in_vain += 1
            if self._trigger is not None:
                self._trigger.in_vain(self._in_vain, monotonic() - self._forked)
        else:
            if report.status == "?":
                self._staging.give_up()
            self.failed(f"restore point {self._point[:12]} is missing: {report.message}")

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
        elsewhere = files.relocation(manifest.provenance["start"].get("cwd", self.info.cwd), cwd)
        moved.relocate(elsewhere)
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
        put_back = [file.path for file in manifest.files if file.kind == "database" and file.pod is not None]
        own = [elsewhere(path) for path in put_back if not path.endswith("-wal")]
        self._watch_files((elsewhere(file.path) for file in manifest.files), own)
        captured = image.stack
        assert captured is not None
        return lambda: self._resume(captured, Checkpoint(manifest.point, restored=True))

    def _rebuild(self, manifest: Manifest, source: packfile.PackReader, cwd: str | None) -> ProgramImage:
        preamble = unpickler.decode_preamble(manifest.pods, source)
        ambient.prepare(preamble.facts, early=True)
        install.prepare(preamble, cwd)
        ambient.prepare(preamble.facts)
        provenance.remember(manifest.provenance.get("sources", {}))
        image = unpickler.decode(manifest.pods, source)
        registry.restore(image.ambient["forkpoint"])
        ambient.restore(image.ambient, skip=("working_directory",) if cwd else ())
        return image

    def _resume(self, captured: CapturedStack, point: Checkpoint) -> object:
        self.totals, self._burden = ending.Totals(), Burden()  # measured on the program's clocks, which have gone back
        for function in registry.after_restore:
            function()
        self.begin()
        return resume.resume(captured, point)
