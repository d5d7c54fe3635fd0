"""matplotlib: settings, and figures with their canvas, number, callbacks and place among pyplot's, without a window.

matplotlib's own pickling detaches a figure from its canvas, gives it the next number, and drops callbacks. Canvases
of windows keep it; those that only draw are taken along, with what they have drawn: a commit may be in its midst.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
from matplotlib import artist, backend_bases, cbook, figure

from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.kinds import module_of
from forkpoint.model import ReduceContext, Reducer

_WITHOUT_WINDOW: Final = frozenset(f"matplotlib.backends.backend_{name}" for name in ("agg", "pdf", "pgf", "ps", "svg"))


def make(cls: Any) -> Any:
    """An object without attributes."""
    return object.__new__(cls)


def reduce_canvas(canvas: Any, context: ReduceContext) -> Any:
    """A canvas that only draws; one in a window is left to matplotlib, which refuses."""
    cls = type(canvas)
    if cls is not backend_bases.FigureCanvasBase and module_of(cls) not in _WITHOUT_WINDOW:
        return NotImplemented
    return make, (cls,), attributes(canvas), None, None, fill


def reduce_manager(manager: Any, context: ReduceContext) -> Any:
    """What pyplot holds of a figure that has no window."""
    if type(manager) is not backend_bases.FigureManagerBase:
        return NotImplemented
    return make, (type(manager),), attributes(manager), None, None, fill


def reduce_figure(drawing: Any, context: ReduceContext) -> Any:
    """A figure with all its attributes, its canvas among them."""
    return make, (type(drawing),), attributes(drawing), None, None, fill


def reduce_artist(drawn: Any, context: ReduceContext) -> Any:
    """By matplotlib's own state, which knows the groups an Axes belongs to, and the two attributes that it resets."""
    state = dict(drawn.__getstate__())
    kept = {name: vars(drawn)[name] for name in ("stale_callback", "_stale") if name in vars(drawn)}
    return make, (type(drawn),), (state, kept), None, None, fill_artist


def fill_artist(drawn: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Its state, then what that resets."""
    own, kept = state
    if hasattr(type(drawn), "__setstate__"):
        drawn.__setstate__(dict(own))
    else:
        drawn.__dict__.update(own)
    drawn.__dict__.update(kept)


def reduce_registry(registry: Any, context: ReduceContext) -> Any:
    """Callbacks with their numbers; those of objects that are gone have gone with them."""
    connected = [
        (signal, number, function)
        for signal, proxies in registry.callbacks.items()
        for number, proxy in proxies.items()
        if (function := proxy()) is not None
    ]
    following = registry._cid_gen.__reduce__()[1][0]
    others = {
        name: value for name, value in vars(registry).items() if name not in ("callbacks", "_func_cid_map", "_cid_gen")
    }
    return make, (type(registry),), (others, list(registry.callbacks), connected, following), None, None, fill_registry


def fill_registry(registry: Any, state: tuple[dict[str, Any], list[Any], list[tuple[Any, int, Any]], int]) -> None:
    """Connect them again, under the numbers they had (CallbackRegistry.__setstate__ in lib/matplotlib/cbook.py)."""
    others, signals, connected, following = state
    registry.__dict__.update(others)
    registry.callbacks = {signal: {} for signal in signals}
    for signal, number, function in connected:
        remove = functools.partial(registry._remove_proxy, signal)
        registry.callbacks[signal][number] = cbook._weak_or_strong_ref(function, remove)
    registry._func_cid_map = type(cbook.CallbackRegistry()._func_cid_map)(
        ((signal, proxy), number) for signal, proxies in registry.callbacks.items() for number, proxy in proxies.items()
    )
    registry._cid_gen = itertools.count(following)


def reduce_renderer(renderer: Any, context: ReduceContext) -> Any:
    """Agg in the midst of a drawing, by its pixels; matplotlib's own way would begin with a blank one."""
    if renderer._filter_renderers:
        return context.tombstone(renderer, "it draws for a filter")
    pixels = context.buffer(memoryview(renderer.buffer_rgba()).cast("B"))
    size = (renderer.width, renderer.height, renderer.dpi)
    methods = {name for name, value in vars(renderer).items() if getattr(value, "__self__", None) is renderer._renderer}
    return (
        make_renderer,
        (type(renderer), size, pixels),
        attributes(renderer, frozenset({"_renderer", *methods})),
        None,
        None,
        fill,
    )


def make_renderer(cls: Any, size: tuple[float, float, float], pixels: Any) -> Any:
    """Agg with these pixels."""
    renderer = cls(*size)
    pixels.readinto(memoryview(renderer._renderer).cast("B"))
    return renderer


def reduce_text(text: Any, context: ReduceContext) -> Any:
    """A str with attributes whose `__new__` wants more than the str (paths of fonts since 3.11)."""
    return make_text, (type(text), str.__str__(text), dict(vars(text)))


def make_text(cls: Any, value: str, named: dict[str, Any]) -> Any:
    """Such a str; its attributes are part of its hash."""
    text = str.__new__(cls, value)
    text.__dict__.update(named)
    return text


def _held() -> int:
    """How often the program's thread holds the lock under which figures are drawn; versions before 3.11 have none."""
    lock = getattr(figure.Figure, "_render_lock", None)
    if lock is None or not lock._is_owned():
        return 0
    return int(re.search(r"count=(\d+)", repr(lock))[1])  # type: ignore[index]  # every RLock says so


class _Figures(Quiet):
    name = "matplotlib_figures"
    module = "matplotlib.figure"

    def reducers(self) -> Mapping[type, Reducer]:
        agg = sys.modules.get("matplotlib.backends.backend_agg")
        drawing: dict[type, Reducer] = {agg.RendererAgg: reduce_renderer} if agg is not None else {}
        fonts = getattr(sys.modules.get("matplotlib.font_manager"), "FontPath", None)
        if fonts is not None:
            drawing[fonts] = reduce_text
        return {
            **drawing,
            artist.Artist: reduce_artist,
            figure.Figure: reduce_figure,
            backend_bases.FigureCanvasBase: reduce_canvas,
            backend_bases.FigureManagerBase: reduce_manager,
            cbook.CallbackRegistry: reduce_registry,
        }

    def capture(self, before: Any) -> dict[str, Any]:
        """Settings; and pyplot's figures, oldest first: the last is the current one."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        known: Any = mpl.colormaps
        return {
            "settings": dict(dict.items(mpl.rcParams)),
            "colormaps": {name: known[name] for name in known if name not in known._builtin_cmaps},
            "figures": list(helpers.Gcf.figs.items()) if helpers is not None else [],
            "held": _held(),
            "chosen": pyplot is not None and pyplot._backend_mod is not None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state["settings"].items():
            mpl.rcParams._set(name, value)
        for name, colormap in state["colormaps"].items():
            if name not in mpl.colormaps:  # or a library has registered it anew
                mpl.colormaps.register(colormap, name=name)
        for _ in range(state["held"]):
            figure.Figure._render_lock.acquire()
        if state["chosen"]:
            import matplotlib.pyplot

            matplotlib.pyplot._get_backend_mod()
        if state["figures"]:
            from matplotlib._pylab_helpers import Gcf

            Gcf.figs.clear()
            Gcf.figs.update(state["figures"])


ADAPTER = _Figures()
