"""TensorBoard: event files go on without a step lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_memory import dumps, loads

from forkpoint.capture import ambient


def test_event_files_go_on_where_they_were(tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    writer = tensorboard.SummaryWriter(str(tmp_path))
    for step in range(5):
        writer.add_scalar("loss", step, step)
    data = dumps((writer, ambient.before_fork()["tensorboard_writers"]))
    writer.add_scalar("lost", 1, 99)
    writer.flush()
    del writer
    back, state = loads(data)
    ambient.restore({"tensorboard_writers": state})
    for step in range(5, 8):
        back.add_scalar("loss", step, step)
    back.close()
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = tmp_path.iterdir()
    steps = [event.step for event in EventFileLoader(str(path)).Load() if event.summary.value]
    assert steps == [0, 1, 2, 3, 4, 5, 6, 7]
