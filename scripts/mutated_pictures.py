#!/usr/bin/env python3
"""Damaged copies of small pictures: mutated_pictures.py OUT PICTURE... [-n COPIES]

Writes COPIES of every PICTURE (PNG, JPEG, WebP) into the folder OUT, each damaged in another way:
bytes changed, cut out, doubled; chunks moved, left out, doubled, changed inside with a sum that
fits again; sizes in headers changed; fewer rows than the header says. The output depends only on
the pictures, so that a run can be repeated."""

import argparse
import os
import random
import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"

# ---- files as lists of parts: [kind, body], and back ---------------------------------------


def png_parts(data):
    at, parts = 8, []
    while at + 8 <= len(data):
        length = struct.unpack(">I", data[at:at + 4])[0]
        parts.append([data[at + 4:at + 8], data[at + 8:at + 8 + length]])
        at += 12 + length
    return parts


def png_file(parts):
    return PNG + b"".join(struct.pack(">I", len(body)) + kind + body
                          + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)


def jpeg_parts(data):
    at, parts = 2, []
    while at + 4 <= len(data) and data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2:at + 4])[0]
        parts.append([data[at:at + 2], data[at + 4:at + 2 + length]])
        at += 2 + length
    return parts + [[b"", data[at:]]]


def jpeg_file(parts):
    return b"\xff\xd8" + b"".join(kind + struct.pack(">H", len(body) + 2) + body if kind else body
                                  for kind, body in parts)


def webp_parts(data):
    at, parts = 12, []
    while at + 8 <= len(data):
        length = struct.unpack("<I", data[at + 4:at + 8])[0]
        parts.append([data[at:at + 4], data[at + 8:at + 8 + length]])
        at += 8 + length + length % 2
    return parts


def webp_file(parts):
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
                              for kind, body in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FORMS = {".png": (png_parts, png_file), ".jpg": (jpeg_parts, jpeg_file),
         ".webp": (webp_parts, webp_file)}
SIZES = {b"IHDR": (0, 13), b"\xff\xc0": (0, 9), b"\xff\xc2": (0, 9), b"VP8 ": (6, 10),
         b"VP8L": (1, 5), b"VP8X": (4, 10), b"ANMF": (0, 15)}

# ---- damages -------------------------------------------------------------------------------


def change(rng, data, begin=0, end=None):
    """One byte of data[begin:end]: another value, one bit, or one more or less."""
    end = min(len(data), len(data) if end is None else end)
    if end <= begin:
        return data
    at = rng.randrange(begin, end)
    value = rng.choice([rng.randrange(256), data[at] ^ 1 << rng.randrange(8), 0, 255,
                        (data[at] + 1) % 256, (data[at] - 1) % 256])
    return data[:at] + bytes([value]) + data[at + 1:]


def damage_bytes(rng, data):
    kind = rng.randrange(4)
    at = rng.randrange(len(data))
    n = rng.randrange(1, 17)
    if kind == 0:
        return data[:at] + data[at + n:]
    if kind == 1:
        return data[:at + n] + data[at:]
    for _ in range(rng.randrange(1, 5)):
        data = change(rng, data)
    return data


def damage_parts(rng, parts):
    kind = rng.randrange(5)
    at = rng.randrange(len(parts))
    if kind == 0:
        parts.insert(rng.randrange(len(parts)), parts.pop(at))
    elif kind == 1:
        parts.pop(at)
    elif kind == 2:
        parts.insert(rng.randrange(len(parts)), list(parts[at]))
    elif kind == 3:
        parts[at][1] = change(rng, parts[at][1])
    else:
        parts[at][1] = parts[at][1][:rng.randrange(len(parts[at][1]) + 1)]


def damage_size(rng, parts):
    sized = [p for p in parts if p[0] in SIZES]
    for part in sized[:1] if rng.randrange(2) else sized:
        part[1] = change(rng, part[1], *SIZES[part[0]])


def drop_rows(rng, parts):
    """The pixels of a PNG, packed again as a stream that is whole but shorter or longer."""
    body = b"".join(p[1] for p in parts if p[0] == b"IDAT")
    try:
        rows = zlib.decompress(body)
    except zlib.error:
        return
    rows = rows[:rng.randrange(len(rows) + 1)] if rng.randrange(4) else rows + rows
    first = next(i for i, p in enumerate(parts) if p[0] == b"IDAT")
    parts[first][1] = zlib.compress(rows)
    parts[:] = [p for i, p in enumerate(parts) if i <= first or p[0] != b"IDAT"]


def damaged(rng, data, form):
    if form not in FORMS or rng.randrange(3) == 0:
        return damage_bytes(rng, data)
    split, join = FORMS[form]
    parts = split(data)
    for _ in range(rng.randrange(1, 3)):
        if not parts:
            break
        how = rng.choice([damage_parts, damage_parts, damage_size]
                         + [drop_rows] * (form == ".png" and any(p[0] == b"IDAT" for p in parts)))
        how(rng, parts)
    return join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("-n", type=int, default=30, metavar="COPIES")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for path in args.pictures:
        with open(path, "rb") as file:
            data = file.read()
        name, form = os.path.splitext(os.path.basename(path))
        for i in range(args.n):
            rng = random.Random(f"{name}{form} {i}")
            with open(os.path.join(args.out, f"{name}-{i:03}{form}"), "wb") as file:
                file.write(damaged(rng, data, form))


if __name__ == "__main__":
    main()
