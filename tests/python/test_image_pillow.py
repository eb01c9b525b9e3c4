"""Decoded pictures against Pillow, pixel by pixel, through the shared library.

    python tests/python/test_image_pillow.py          (the library is $GROMATIC_LIBRARY)
    python tests/python/test_image_pillow.py --write tests/data/image    (the C test's fixtures)

Expected is Image.open, EXIF orientation applied, convert("RGB"); for 16-bit grey, which Pillow
does not convert alike in all versions, the high byte."""

import ctypes
import io
import json
import os
import struct
import sys
import warnings

import numpy as np
from PIL import Image, ImageOps

import image_cases


def expected(data):
    image = Image.open(io.BytesIO(data))
    sixteen = image.mode.startswith("I")
    image = ImageOps.exif_transpose(image)
    if sixteen:
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1)
    return np.asarray(image.convert("RGB"))


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 1024)]


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.gm_image_rgb.restype = ctypes.c_void_p
        self.c.gm_image_width.restype = self.c.gm_image_height.restype = ctypes.c_uint32

    def decode(self, data):
        image, error = ctypes.c_void_p(), Error()
        status = self.c.gm_image_from_memory(ctypes.byref(image), data,
                                             ctypes.c_size_t(len(data)), None,
                                             ctypes.byref(error))
        if status:
            raise ValueError(error.message.decode())
        width, height = self.c.gm_image_width(image), self.c.gm_image_height(image)
        pixels = ctypes.string_at(self.c.gm_image_rgb(image), width * height * 3)
        self.c.gm_image_free(image)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def photographs():
    """The repository's own photographs, and one again as JPEG and WebP at full size."""
    data = os.path.join(os.path.dirname(__file__), "..", "data")
    for folder in ("photos", "world/scenes/images"):
        for name in sorted(os.listdir(os.path.join(data, folder)))[:30]:
            with open(os.path.join(data, folder, name), "rb") as file:
                yield name, file.read()
    coffee = Image.open(os.path.join(data, "photos", "coffee.png")).convert("RGB")
    for i in range(3):
        yield f"coffee-{i}.jpg", image_cases.saved(coffee, "JPEG", subsampling=i, quality=40)
        yield f"coffee-{i}p.jpg", image_cases.saved(coffee, "JPEG", subsampling=i, quality=85,
                                                    progressive=True)
    yield "coffee-cmyk.jpg", image_cases.saved(coffee.convert("CMYK"), "JPEG")
    yield "coffee.webp", image_cases.saved(coffee, "WEBP", quality=50)
    yield "coffee-lossless.webp", image_cases.saved(coffee, "WEBP", lossless=True)


def compare(library):
    warnings.simplefilter("ignore")  # Pillow's advice on palettes with transparency
    failed = done = 0
    for name, data in [*image_cases.cases(), *photographs()]:
        want = expected(data)
        done += 1
        try:
            got = library.decode(data)
        except ValueError as error:
            print(f"{name}: {error}")
            failed += 1
            continue
        if got.shape != want.shape or (got != want).any():
            worst = np.abs(got.astype(int) - want).max() if got.shape == want.shape else got.shape
            print(f"{name}: differs from Pillow's {want.shape} by {worst}")
            failed += 1
    print(f"{done - failed} of {done} pictures equal Pillow's")
    return failed == 0


def write_fixtures(folder):
    """The pictures, and what is in them: expected.safetensors, an array [h, w, 3] by name."""
    os.makedirs(folder, exist_ok=True)
    header, body = {}, b""
    for name, data in image_cases.cases():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        want = expected(data)
        header[name] = {"dtype": "U8", "shape": list(want.shape),
                        "data_offsets": [len(body), len(body) + want.size]}
        body += want.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "expected.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def is_sanitized(path):
    """AddressSanitizer must be loaded first, which Python does not do."""
    with open(path, "rb") as file:
        return b"__asan_init" in file.read()


def main():
    if sys.argv[1:2] == ["--write"]:
        write_fixtures(sys.argv[2])
        return 0
    path = os.environ["GROMATIC_LIBRARY"]
    if is_sanitized(path):
        print("skipped: the library is built with AddressSanitizer")
        return 77
    return 0 if compare(Library(path)) else 1


if __name__ == "__main__":
    sys.exit(main())
