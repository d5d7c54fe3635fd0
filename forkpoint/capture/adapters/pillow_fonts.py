"""Pillow's fonts: from the bytes or the file they were read from, at that size."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import ImageFont

from forkpoint.capture.adapters._quiet import Quiet
from forkpoint.model import ReduceContext, Reducer


def reduce_font(font: Any, context: ReduceContext) -> Any:
    """A font read from an open file keeps the file's bytes; Pillow's own way would read that file on from its end."""
    content = getattr(font, "font_bytes", None)
    if content is None and hasattr(font.path, "getvalue"):
        content = font.path.getvalue()
    source = content if content is not None else font.path
    if not isinstance(source, bytes | str):
        return context.tombstone(font, "Pillow does not show the bytes of this font")
    return make_font, (source, font.size, font.index, font.encoding, font.layout_engine)


def make_font(source: Any, size: float, index: int, encoding: str, engine: Any) -> Any:
    """The font again."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    return ImageFont.FreeTypeFont(opened, size, index, encoding, engine)


class _Fonts(Quiet):
    name = "pillow_fonts"
    module = "PIL.ImageFont"

    def reducers(self) -> Mapping[type, Reducer]:
        return {ImageFont.FreeTypeFont: reduce_font}


ADAPTER = _Fonts()
