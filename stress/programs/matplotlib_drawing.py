"""Figures that live across a simulation: pyplot's current one, one with a twin axis and a colour bar, an animation by
hand; settings changed; PNG and SVG files written again and again."""

import hashlib
import os

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

plt.rcParams["lines.linewidth"] = 2.5
plt.rcParams["axes.prop_cycle"] = plt.cycler(color=["teal", "crimson", "orange"])
matplotlib.rc("font", size=9)
rng = np.random.default_rng(3)
events = []

fig, (left, right) = plt.subplots(1, 2, figsize=(6, 3), num="walk")
(path,) = left.plot([], [], label="path")
left.legend(loc="upper right")
image = right.imshow(np.zeros((20, 20)), vmin=0, vmax=4, cmap="magma")
fig.colorbar(image, ax=right)
left.callbacks.connect("xlim_changed", lambda ax: events.append(round(float(ax.get_xlim()[1]), 6)))

plt.figure(7)
plt.title("levels")
twin = plt.gca().twinx()

walk, levels = [0.0], []
heat = np.zeros((20, 20))
for step in range(1, 46):
    for _ in range(200):
        walk.append(walk[-1] + float(rng.normal()))
    heat[rng.integers(0, 20, 200), rng.integers(0, 20, 200)] += 0.05
    path.set_data(range(len(walk)), walk)
    left.set_xlim(0, len(walk))
    left.set_ylim(min(walk) - 1, max(walk) + 1)
    image.set_data(heat)
    levels.append(float(np.std(walk[-200:])))
    assert plt.gcf().number == 7 and plt.fignum_exists("walk") and plt.figure("walk") is fig
    plt.figure(7)
    plt.gcf().axes[0].plot(levels[-5:])
    twin.plot(levels[-3:], linestyle="--")
    if step % 3 == 0:
        fig.savefig("walk.png", dpi=80)
        plt.savefig(f"levels{step % 9}.png", dpi=60)
        with plt.rc_context({"axes.grid": True}):
            once = plt.figure()
            once.add_subplot(projection="3d").scatter(*rng.random((3, 20)))
            once.savefig(f"once{step % 4}.png", dpi=50)
            plt.close(once)
        digest = hashlib.md5(open("walk.png", "rb").read()).hexdigest()
        print(step, plt.get_fignums(), digest, len(events), plt.rcParams["lines.linewidth"], flush=True)
    if step % 20 == 0:
        plt.style.use("ggplot" if step == 20 else "default")
print(sorted(name for name in os.listdir(".") if name.endswith(".png")), events[-3:])
