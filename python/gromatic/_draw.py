"""Drawings of results: by the library (PNG, JPEG), and as HTML for notebooks."""
from __future__ import annotations

import base64
import ctypes
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _abi
from ._errors import ArgumentError
from ._native import check, make, text, tools

if TYPE_CHECKING:
    from ._image import Image

# Those of the library's drawings (src/draw/palette.c), going round.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00")
# A box, its label and the number of its colour.
Mark = tuple[tuple[float, float, float, float], str, int]
# Begin and end in characters of the caption, and the number of its colour.
Span = tuple[int, int, int]


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def draw(image: Image, marks: Sequence[Mark], caption: str, spans: Sequence[Span], kind: str) -> bytes:
    """The drawing's file in memory; kind: "png" or "jpeg"."""
    kinds = {"png": _abi.GM_FORMAT_PNG, "jpeg": _abi.GM_FORMAT_JPEG, "jpg": _abi.GM_FORMAT_JPEG}
    if kind not in kinds:
        raise ArgumentError(f"kind of drawing: found {kind!r}; wanted \"png\" or \"jpeg\"")
    c_marks = (_abi.gm_mark * len(marks))(*(
        make(_abi.gm_mark, box=_abi.gm_box(*box), label=text(label, "label"), colour=number)
        for box, label, number in marks))
    c_spans = (_abi.gm_span_colour * len(spans))(*(
        make(_abi.gm_span_colour, begin=len(caption[:begin].encode()), end=len(caption[:end].encode()), colour=number)
        for begin, end, number in spans))
    params = make(_abi.gm_draw_params, marks=c_marks, n_marks=len(marks), caption=text(caption or None, "caption"),
                  spans=c_spans, n_spans=len(spans))
    library, data, size, err = tools(), ctypes.c_void_p(), ctypes.c_size_t(), _abi.gm_error()
    with image._handle.use() as pointer:
        check(library.gm_draw_to_memory(pointer, params, kinds[kind], data, size, err), err)
    try:
        return ctypes.string_at(data, size.value)
    finally:
        library.gm_bytes_free(data)


def coloured(caption: str, spans: Sequence[Span]) -> str:
    """The caption as HTML, its spans in their colours."""
    out, at = [], 0
    for begin, end, number in sorted(spans):
        if begin < at:
            continue
        out.append(html.escape(caption[at:begin]))
        out.append(f'<b style="border-bottom:3px solid {colour(number)}">{html.escape(caption[begin:end])}</b>')
        at = end
    return "".join(out) + html.escape(caption[at:])


def page(image: Image | None, size: tuple[int, int], marks: Sequence[Mark], words: str) -> str:
    """The picture with its boxes as SVG, and words (HTML) below it. Without the picture, boxes on grey."""
    width, height = size
    scale = max(width, height) / 100
    under = f'<rect width="{width}" height="{height}" fill="#ddd"/>'
    if image is not None and not image.closed:
        data = base64.b64encode(draw(image, [], "", [], "jpeg")).decode()
        under = f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/>'
    shapes = []
    for (x1, y1, x2, y2), label, number in marks:
        shapes.append(f'<g><title>{html.escape(label)}</title><rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" '
                      f'height="{y2 - y1:.1f}" fill="none" stroke="{colour(number)}" stroke-width="{scale * 0.6:.2f}"/>'
                      f'<text x="{x1 + scale:.1f}" y="{y1 + scale * 3.6:.1f}" font-size="{scale * 3.2:.2f}" '
                      f'font-family="sans-serif" fill="#fff" stroke="#000" stroke-width="{scale * 0.6:.2f}" '
                      f'paint-order="stroke">{html.escape(label)}</text></g>')
    shown = min(640, max(320, width))
    return (f'<figure style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{shown}" style="max-width:100%;height:auto">{under}{"".join(shapes)}</svg>'
            f"<figcaption>{words}</figcaption></figure>")
