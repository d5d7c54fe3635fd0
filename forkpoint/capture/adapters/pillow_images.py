"""Pillow's images: their pixels once, and all attributes of whatever holds them, open files among them.

Pillow's own pickling reads a lazy image to its end, forgets the file, the frame it stands at and what it knows of the
palette, and refuses drawings and pixel access.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image

from forkpoint import _native
from forkpoint.capture.adapters._attributes import attributes, fill
from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer

_CORE: Final = type(Image.core.new("L", (1, 1)))
_ACCESS: Final = type(Image.new("L", (1, 1)).load())
_BEYOND: Final = frozenset({"_decoder"})
"""Attributes of images whose plugin decodes in C from a copy of the file: WebP, AVIF. These go Pillow's own way."""


def make(cls: Any) -> Any:
    """An object without attributes."""
    return object.__new__(cls)


def reduce_image(image: Any, context: ReduceContext) -> Any:
    """An image with its attributes; one that was not loaded yet still is not."""
    state = attributes(image)
    if state is None or _BEYOND & state[0].keys():
        return NotImplemented
    if state[0].get("map") is not None:  # the file its pixels lie in, which are copied
        state[0]["map"] = None
    return make, (type(image),), state, None, None, fill


def reduce_core(core: Any, context: ReduceContext) -> Any:
    """Pixels and palette."""
    holder = _holder(core)
    palette = None
    if core.mode in ("P", "PA"):
        mode = core.getpalettemode() if hasattr(core, "getpalettemode") else "RGB"
        palette = (mode, bytes(core.getpalette(mode, mode)))
    pixels = holder.tobytes()
    return make_core, (core.mode, core.size, len(pixels), context.buffer(memoryview(pixels)), palette)


def make_core(mode: str, size: tuple[int, int], count: int, pixels: Any, palette: tuple[str, bytes] | None) -> Any:
    """The pixels again, in memory of their own."""
    core = Image.core.new(mode, size)
    if palette is not None:
        core.putpalette(palette[0], palette[0], palette[1])
    content = bytearray(count)
    pixels.readinto(memoryview(content))
    if count:
        _holder(core).frombytes(bytes(content))
    return core


def _holder(core: Any) -> Any:
    holder = Image.Image()
    holder.im, holder._mode, holder._size = core, core.mode, core.size
    return holder


def reduce_access(access: Any, context: ReduceContext) -> Any:
    """What `Image.load()` returns, by the image it changes: this is the child, whose pixels nobody else sees."""
    for image in _native.living(Image.Image):
        core = vars(image).get("_im", vars(image).get("im"))
        if type(core) is _CORE and _is_access_to(access, core):
            return make_access, (core, image.readonly)
    return context.tombstone(access, "no image is left that it gives access to")


def _is_access_to(access: Any, core: Any) -> bool:
    if 0 in core.size:
        return False
    before = core.getpixel((0, 0))
    if access[0, 0] != before:
        return False
    other = tuple(255 - int(band) for band in before) if isinstance(before, tuple) else 1 - bool(before)
    core.putpixel((0, 0), other)
    changed = bool(access[0, 0] != before)
    core.putpixel((0, 0), before)
    return changed


def make_access(core: Any, readonly: int) -> Any:
    """Access to these pixels."""
    return core.pixel_access(readonly)


def reduce_drawing(drawing: Any, context: ReduceContext) -> Any:
    """`ImageDraw`: what it draws with is made again for the same pixels."""
    return make, (type(drawing),), attributes(drawing, frozenset({"draw"})), None, None, fill_drawing


def fill_drawing(drawing: Any, state: Any) -> None:
    """The attributes, then Pillow's pen (`ImageDraw.__init__` in Pillow's src/PIL/ImageDraw.py)."""
    fill(drawing, state)
    blend = int(drawing.mode == "RGBA" and drawing.im.mode == "RGB")
    drawing.draw = Image.core.draw(drawing.im, blend)


def reduce_profile(profile: Any, context: ReduceContext) -> Any:
    """A colour profile, by its bytes."""
    core: Any = sys.modules["PIL.ImageCms"].__dict__["core"]
    return make_profile, (core.profile_tobytes(profile),)


def make_profile(content: bytes) -> Any:
    """The colour profile again."""
    from PIL import ImageCms

    return ImageCms.core.profile_frombytes(content)


class _Images(Quiet):
    name = "pillow_images"
    module = "PIL.Image"

    def reducers(self) -> Mapping[type, Reducer]:
        found: dict[type, Reducer] = {Image.Image: reduce_image, _CORE: reduce_core, _ACCESS: reduce_access}
        drawings = sys.modules.get("PIL.ImageDraw")
        if drawings is not None:
            found[drawings.ImageDraw] = reduce_drawing
        colours = sys.modules.get("PIL._imagingcms")
        if colours is not None:
            found[colours.CmsProfile] = reduce_profile
        return found


ADAPTER = _Images()
