"""A script in a directory of its own: sys.path[0] is that directory, its modules are the program's own."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

import settings  # noqa: E402
from core import model  # noqa: E402
from core.data import batches  # noqa: E402
from points import point  # noqa: E402

sys.path.append(str(Path(__file__).parent / "extra"))
net = model.Model(settings.WIDTH)
settings.history = []
for epoch in range(2):
    for batch in batches(3):
        loss = net.step(batch)
        point()
        settings.history.append(loss)
        print("epoch", epoch, "batch", batch, "loss", repr(loss), model.steps)
    settings.WIDTH += 1
print(Path(sys.path[0]).name, Path(__file__).name, settings.WIDTH, settings.history[-1], type(net).__module__)
