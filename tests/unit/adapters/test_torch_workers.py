"""torch: a DataLoader's workers are made again where they were, or the commit is refused."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader

from forkpoint.capture import ambient, forks, libraries, roots, threads
from forkpoint.encode.pickler import encode
from forkpoint.encode.unpickler import decode
from forkpoint.errors import Refused
from forkpoint.model import ProgramImage

sys.path.insert(0, str(Path(__file__).parents[1] / "encode"))
from memory_store import MemoryStore  # noqa: E402

NAME = "torch_workers"

PROGRAM = """
import os, random, torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

FACTOR = 1.0

class Noisy(Dataset):
    "Augmented with two generators; each worker also counts and keeps what it has given."
    def __init__(self, size=40):
        self.x = torch.arange(float(size))
        self.given = {}

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        self.given[index] = self.given.get(index, 0) + 1
        noise = torch.rand(()) + random.random()
        return FACTOR * self.x[index] + noise, len(self.given), sum(self.given.values())

class Slow(Noisy):
    "The first worker waits with its second batch until there is a flag."
    def __getitem__(self, index):
        if get_worker_info().id == 0 and sum(self.given.values()) == 4:
            while not os.path.exists(self.flag):
                pass
        return super().__getitem__(index)

class Stream(IterableDataset):
    "The first worker comes to its end long before the second; all is augmented."
    def __iter__(self):
        for number in range(7 if get_worker_info().id == 0 else 40):
            yield torch.tensor([float(number)]) + torch.rand(1)

class Loud(Noisy):
    def __getitem__(self, index):
        os.write(1, f"given {index} ".encode())
        return super().__getitem__(index)
"""


def _fresh() -> Any:
    module = sys.modules["program_under_test"] = types.ModuleType("program_under_test")
    return module


@pytest.fixture(autouse=True)
def program() -> Iterator[Any]:
    """The program's module, whose forks are looked at."""
    forks.watch()
    torch.manual_seed(1)
    module = _fresh()
    exec(compile(PROGRAM, "<program>", "exec", dont_inherit=True), vars(module))
    yield module
    del sys.modules["program_under_test"]
    gc.collect()  # iterators that a failed test left end their workers


def _loader(program: Any, kind: str = "Noisy", **options: Any) -> DataLoader[Any]:
    options = {"num_workers": 2, "batch_size": 3, "shuffle": True, **options}
    return DataLoader(options.pop("dataset", None) or vars(program)[kind](), **options)


class Saved:
    """The program's module and what the adapter reads of the process, as one commit has them."""

    def __init__(self, program: Any) -> None:
        self.store = MemoryStore()
        adapter = ambient._load(NAME)
        before = adapter.before_fork()
        only = roots.Roots((program,), roots.find().imports)
        image = ProgramImage((program,), only.imports, None, {NAME: adapter.capture(before)})
        self.pods = encode(image, named=libraries.named(only), reducers=ambient.reducers(), sink=self.store).pods
        self.random = torch.get_rng_state()

    def again(self) -> Any:
        """The module of a restored process."""
        program = _fresh()
        image = decode(self.pods, self.store)
        torch.set_rng_state(self.random)
        ambient._load(NAME).restore(image.ambient[NAME])
        return program


def _all(batches: Any) -> list[Any]:
    return [[part.tolist() for part in batch] for batch in batches]


def _end(iterator: Any) -> None:
    iterator._shutdown_workers()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("taken", [0, 6, 13])
def test_the_rest_of_an_epoch_is_bit_identical(program: Any, workers: int, taken: int) -> None:
    program.batches = iter(_loader(program, num_workers=workers))
    for _ in range(taken):
        next(program.batches)
    saved = Saved(program)
    rest = _all(program.batches)
    assert _all(saved.again().batches) == rest and len(rest) == 14 - taken


def test_kept_workers_go_on_from_epoch_to_epoch_and_from_restore_to_restore(program: Any) -> None:
    program.loader = _loader(program, persistent_workers=True, timeout=60)
    _all(program.loader)
    program.batches = iter(program.loader)
    next(program.batches)
    saved = Saved(program)
    expected = [_all(program.batches), _all(program.loader), _all(program.loader)]
    _end(program.batches)
    for _ in range(2):
        again = saved.again()
        saved = Saved(again)
        _end(again.batches)
    again = saved.again()
    assert [_all(again.batches), _all(again.loader), _all(again.loader)] == expected
    assert expected[2][-1][2] != expected[1][-1][2]  # the workers' own counts grow from epoch to epoch
    _end(again.batches)


def test_between_two_epochs_kept_workers_are_made_again_too(program: Any) -> None:
    program.loader = _loader(program, persistent_workers=True)
    _all(program.loader)
    saved = Saved(program)
    expected = _all(program.loader)
    _end(program.loader._iterator)
    again = saved.again()
    assert _all(again.loader) == expected
    _end(again.loader._iterator)


def test_what_is_out_of_order_and_what_is_on_its_way_is_given_once(program: Any, tmp_path: Path) -> None:
    program.loader = _loader(program, "Slow", shuffle=False)
    program.loader.dataset.flag = str(tmp_path / "flag")
    program.batches = iter(program.loader)
    first = _all([next(program.batches)])
    if not any(len(known) == 2 for known in program.batches._task_info.values()):  # or `next` has met it already
        number, data = program.batches._data_queue.get(timeout=60)  # the second worker is quicker than the first
        program.batches._task_info[number] += (data,)
        program.batches._tasks_outstanding -= 1
    saved = Saved(program)
    Path(program.loader.dataset.flag).touch()
    rest = _all(program.batches)
    assert first and len(rest) == 13
    assert _all(saved.again().batches) == rest


def test_an_iterator_that_has_ended_comes_back_as_ended(program: Any) -> None:
    program.batches = iter(_loader(program))
    _all(program.batches)
    again = Saved(program).again()
    assert list(again.batches) == [] and not again.batches._workers


@pytest.mark.parametrize("options", [{}, {"batch_size": None, "prefetch_factor": 3}, {"persistent_workers": True}])
@pytest.mark.parametrize("taken", [0, 2, 9])
def test_a_stream_goes_on_also_when_a_worker_is_at_its_end(program: Any, taken: int, options: dict[str, Any]) -> None:
    program.loader = _loader(program, "Stream", shuffle=False, **options)
    program.batches = iter(program.loader)
    for _ in range(taken):
        next(program.batches)
    saved = Saved(program)
    rest = [_all(program.batches), _all(iter(program.loader)) if "persistent_workers" in options else None]
    again = saved.again()
    assert [_all(again.batches), _all(iter(again.loader)) if "persistent_workers" in options else None] == rest
    assert len(rest[0]) == (47 if options.get("batch_size", 3) is None else 17) - taken
    for ended in (program, again):
        _end(ended.batches)


def test_live_workers_do_not_stand_in_the_way_of_commits(program: Any) -> None:
    batches = iter(_loader(program))
    next(batches)
    assert not [name for name in threads.blockers() if "child process" in name]
    assert len(ambient.children()) == 2
    _end(batches)


def test_what_a_worker_has_printed_is_not_printed_again(program: Any, capfd: pytest.CaptureFixture[str]) -> None:
    program.batches = iter(_loader(program, "Loud", num_workers=1, shuffle=False))
    for _ in range(12):
        next(program.batches)
    saved = Saved(program)
    _all(program.batches)
    capfd.readouterr()
    _all(saved.again().batches)
    assert capfd.readouterr().out.split()[1::2] == ["36", "37", "38", "39"]


# --- refusals: without each of them the restored batches would be others --------------------------------------


def _refused(program: Any, batches: Any) -> str:
    program.batches = batches
    with pytest.raises(Refused) as caught:
        Saved(program)
    _end(batches)
    return str(caught.value)


def test_a_dataset_that_the_program_has_changed_since_is_refused(program: Any) -> None:
    program.dataset = program.Noisy()
    batches = iter(_loader(program, dataset=program.dataset))
    program.dataset.x[3] += 1
    assert "has changed since" in _refused(program, batches)


def test_a_global_that_the_dataset_reads_and_the_program_changes_is_refused(program: Any) -> None:
    batches = iter(_loader(program))
    program.unread = 1
    Saved(program)
    program.FACTOR = 2.0
    assert "a global they read" in _refused(program, batches)


def test_a_changed_worker_init_fn_is_refused(program: Any) -> None:
    settings = {"seed": 1}
    batches = iter(_loader(program, worker_init_fn=lambda worker: settings["seed"]))
    settings["seed"] = 2
    assert "has changed since" in _refused(program, batches)


def test_an_open_file_in_a_dataset_is_refused(program: Any) -> None:
    dataset = program.Noisy()
    with open(__file__) as dataset.file:
        assert "TextIOWrapper" in _refused(program, iter(_loader(program, dataset=dataset)))


def test_what_cannot_be_put_at_a_position_again_is_refused(program: Any) -> None:
    assert "in_order=False" in _refused(program, iter(_loader(program, in_order=False)))


def test_workers_that_were_not_seen_to_start_are_refused(program: Any) -> None:
    forks._watching.clear()
    assert "cannot be repeated" in _refused(program, iter(_loader(program)))
