"""Pictures: from files, bytes, arrays, Pillow and torch to the library's upright RGB."""
from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Union

import numpy as np

from . import _abi
from ._errors import ArgumentError
from ._native import Handle, Owner, check, count, lib, make, path_bytes

# What the functions of this package take as a picture.
Picture = Union["Image", str, "os.PathLike[str]", bytes, bytearray, memoryview, np.ndarray, Any]


class Image(Owner):
    """A decoded picture: upright RGB.

    Every call that takes a picture takes what this takes, and makes an Image of it itself. Make one to use a picture
    more than once, or to set limits.

    picture may be

    - a path (str or os.PathLike), or the bytes of a file: JPEG, PNG or WebP, recognised by content. It is turned
      upright as its EXIF orientation says.
    - a numpy array of uint8, ``[height, width, 3]`` RGB, ``[height, width, 4]`` RGBA (alpha is left out), or
      ``[height, width]`` grey. (OpenCV's arrays are BGR: give ``array[..., ::-1]``.)
    - a Pillow picture. It is turned upright too.
    - a torch tensor as torchvision has it: ``[3, height, width]`` or ``[1, height, width]``, uint8 from 0 to 255 or
      floating point from 0 to 1, on any device.

    max_pixels (default 64 Mi) and max_bytes (64 MiB) limit what a file may hold; math.inf is no limit.

    >>> import numpy as np
    >>> with Image(np.zeros((480, 640, 3), np.uint8)) as picture:
    ...     picture.width, picture.height
    (640, 480)
    """

    def __init__(self, picture: Picture, *, max_pixels: float | None = None, max_bytes: float | None = None):
        self.file: str | None = None
        params = make(_abi.gm_image_params, max_pixels=count(max_pixels, "max_pixels", limit=2**64),
                      max_bytes=count(max_bytes, "max_bytes", limit=2**64))
        out, err = ctypes.c_void_p(), _abi.gm_error()
        if isinstance(picture, (str, os.PathLike)):
            self.file = os.fspath(picture)
            status = lib.gm_image_open(out, path_bytes(picture, "picture"), params, err)
        elif isinstance(picture, (bytes, bytearray, memoryview)):
            data = np.frombuffer(picture, np.uint8)
            status = lib.gm_image_from_memory(out, data.ctypes.data, data.size, params, err)
        else:
            pixels = _pixels(picture)
            status = lib.gm_image_from_rgb(out, pixels.ctypes.data, pixels.shape[1], pixels.shape[0], err)
        check(status, err)
        self._handle = Handle(out.value, lib.gm_image_free, "picture")
        self.width: int = lib.gm_image_width(out)
        self.height: int = lib.gm_image_height(out)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def array(self) -> np.ndarray:
        """A copy of the pixels: uint8 ``[height, width, 3]``, RGB."""
        with self._handle.use() as pointer:
            size = self.width * self.height * 3
            pixels = (ctypes.c_uint8 * size).from_address(lib.gm_image_rgb(pointer))
            return np.frombuffer(pixels, np.uint8).reshape(self.height, self.width, 3).copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array if dtype is None else self.array.astype(dtype)

    def __repr__(self) -> str:
        name = f"{self.file!r}, " if self.file else ""
        return f"<gromatic.Image {name}{self.width} x {self.height}>"

    def _repr_png_(self) -> bytes:
        from ._draw import draw
        return draw(self, [], "", [], "png")


def as_image(picture: Picture) -> tuple[Image, bool]:
    """The picture as an Image, and whether it was made here, for the caller to close."""
    return (picture, False) if isinstance(picture, Image) else (Image(picture), True)


def _of(picture: Any, module: str, name: str) -> bool:
    """Whether it is of that class of a module that is loaded: if it is not, no such object exists."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(picture, kind)


def _pixels(picture: Any) -> np.ndarray:
    """uint8 [height, width, 3] without gaps."""
    if _of(picture, "PIL.Image", "Image"):
        from PIL import ImageOps
        return np.ascontiguousarray(ImageOps.exif_transpose(picture).convert("RGB"))
    if _of(picture, "torch", "Tensor"):
        return _tensor_pixels(picture)
    if not isinstance(picture, np.ndarray):
        raise ArgumentError(f"picture: found {type(picture).__name__}; wanted a path, the bytes of a file, a numpy "
                            "array, a Pillow picture or a torch tensor")
    if picture.dtype != np.uint8:
        raise ArgumentError(f"picture: found an array of {picture.dtype}; wanted uint8, from 0 to 255")
    shape = picture.shape
    if len(shape) == 2:
        picture = np.repeat(picture[:, :, None], 3, axis=2)
    elif len(shape) == 3 and shape[2] in (3, 4):
        picture = picture[:, :, :3]
    else:
        raise ArgumentError(f"picture: found an array of the shape {list(shape)}; wanted [height, width, 3], "
                            "[height, width, 4] or [height, width]")
    return np.ascontiguousarray(picture)


def _tensor_pixels(tensor: Any) -> np.ndarray:
    shape = tuple(tensor.shape)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ArgumentError(f"picture: found a tensor of the shape {list(shape)}; wanted [3, height, width] or "
                            "[1, height, width], one picture")
    tensor = tensor.detach()
    if tensor.is_floating_point():
        pixels = tensor.float().cpu().numpy()
        # NaN fails both comparisons
        if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ArgumentError("picture: found a floating-point tensor with values beyond 0 to 1; wanted pixels, "
                                "not normalised ones")
        pixels = (pixels * 255 + 0.5).astype(np.uint8)
    elif str(tensor.dtype) == "torch.uint8":
        pixels = tensor.cpu().numpy()
    else:
        raise ArgumentError(f"picture: found a tensor of {tensor.dtype}; wanted uint8 or floating point")
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *shape[1:])).transpose(1, 2, 0))
