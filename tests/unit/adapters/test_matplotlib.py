"""matplotlib's settings and figures come back as they were: numbers, current figure, callbacks, shared axes, pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from in_memory import again

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from forkpoint.capture.adapters import matplotlib_figures  # noqa: E402

ADAPTER = matplotlib_figures.ADAPTER


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    with plt.rc_context():
        yield
    plt.close("all")


def drawn(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=50)
    return target.getvalue()


def returned(*values: Any) -> Any:
    """These values and the ambient state, once more in a pyplot that has forgotten everything."""
    state, back = ADAPTER.capture(None), None
    state, back = again((state, values))
    plt.close("all")
    matplotlib.rcdefaults()
    matplotlib.use("agg")
    ADAPTER.restore(state)
    return back


def test_figures_keep_their_numbers_their_order_and_who_is_current() -> None:
    named, fifth, loose = plt.figure("named"), plt.figure(5), matplotlib.figure.Figure()
    plt.figure("named")
    one, other, alone = returned(named, fifth, loose)
    assert plt.gcf() is one and plt.figure(5) is other and plt.get_fignums() == [1, 5]
    assert one.canvas.manager.num == 1 and alone.canvas.manager is None
    assert plt.figure().number == 6


def test_what_is_drawn_on_goes_on_to_the_same_pixels() -> None:
    def make() -> Any:
        figure, (left, right) = plt.subplots(1, 2, sharey=True)
        left.plot([1, 3, 2], label="a")
        left.legend()
        return figure, left, left.twinx(), figure.colorbar(right.imshow([[0, 1], [2, 3]]), ax=right)

    def go_on(figure: Any, left: Any, twin: Any, bar: Any) -> bytes:
        left.plot([4, 5])
        twin.plot([7, -7])
        left.set_ylim(-3, 6)
        bar.mappable.set_clim(0, 9)
        return drawn(figure)

    whole = go_on(*make())
    plt.close("all")
    made = make()
    drawn(made[0])
    assert go_on(*returned(*made)) == whole


def test_callbacks_are_called_and_disconnected_by_the_number_they_had() -> None:
    seen: list[Any] = []
    figure, axes = plt.subplots()
    number = axes.callbacks.connect("xlim_changed", lambda moved: seen.append(moved.get_xlim()))
    back, again_seen, _ = returned(axes, seen, figure)
    back.set_xlim(0, 5)
    assert len(again_seen) == 1 and again_seen[0][1] == 5
    back.callbacks.disconnect(number)
    back.set_xlim(0, 6)
    assert len(again_seen) == 1


def test_settings_are_put_back() -> None:
    plt.rcParams["lines.linewidth"] = 7.5
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=["teal"])
    returned()
    assert plt.rcParams["lines.linewidth"] == 7.5
    assert plt.rcParams["axes.prop_cycle"].by_key() == {"color": ["teal"]}


def test_a_drawing_goes_on_in_its_midst() -> None:
    from matplotlib.backends.backend_agg import RendererAgg

    def first(renderer: Any) -> None:
        plt.Circle((30, 30), 20, color="red").draw(renderer)

    def second(renderer: Any) -> bytes:
        plt.Circle((40, 40), 20, color="blue", alpha=0.5).draw(renderer)
        return bytes(renderer.buffer_rgba())

    whole, half = RendererAgg(80, 80, 72), RendererAgg(80, 80, 72)
    first(whole)
    first(half)
    with matplotlib.figure.Figure._render_lock:
        state = ADAPTER.capture(None)
    back = again(half)
    assert second(back) == second(whole)
    ADAPTER.restore(state)
    matplotlib.figure.Figure._render_lock.release()


def test_the_path_of_a_font_comes_back_where_it_is_more_than_a_str() -> None:
    from matplotlib import font_manager

    found = font_manager.fontManager.findfont(font_manager.FontProperties())
    back, keyed = again((found, {found: 1}))
    assert type(back) is type(found) and back == found and keyed[found] == 1


def test_a_colormap_that_the_program_registered() -> None:
    matplotlib.colormaps.register(matplotlib.colors.ListedColormap(["red", "blue"]), name="own")
    state = again(ADAPTER.capture(None))
    matplotlib.colormaps.unregister("own")
    ADAPTER.restore(state)
    assert matplotlib.colormaps["own"](0) == (1, 0, 0, 1)
    matplotlib.colormaps.unregister("own")
