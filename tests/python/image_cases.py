"""Makes pictures in every mode that gromatic reads: name -> bytes of the file.

They are small, so that cutting or changing every byte of each is quick."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

W, H = 17, 13


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(seed=0, width=W, height=H, channels=3):
    """A picture that a lossy codec keeps roughly: ramps, and one hard edge."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        ramp = (x * (7 + 3 * c) + y * (11 - 2 * c) + 40 * c + 13 * seed) % 256
        planes.append(np.where((x > width // 2) & (y > height // 3), 255 - ramp // 2, ramp // 2))
    return np.stack(planes, -1).astype(np.uint8)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- EXIF ---------------------------------------------------------------------------------


def tiff(orientation, endian="<", kind=3):
    """A TIFF header with two tags, of which the orientation is the second."""
    mark = b"II*\0" if endian == "<" else b"MM\0*"
    value = struct.pack(endian + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3
                                                                 else [orientation]))
    return (mark + struct.pack(endian + "IH", 8, 2)
            + struct.pack(endian + "HHII", 0x0100, 4, 1, W)
            + struct.pack(endian + "HHI", 0x0112, kind, 1) + value
            + struct.pack(endian + "I", 0))


# ---- JPEG ---------------------------------------------------------------------------------


def jpeg_segments(data):
    """(marker, whole segment) up to the first scan, then (None, the rest)."""
    at = 2
    while data[at + 1] != 0xDA:
        length = 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        yield data[at + 1], data[at:at + length]
        at += length
    yield None, data[at:]


def jpeg_edit(data, edit):
    return data[:2] + b"".join(edit(marker, segment) for marker, segment in jpeg_segments(data))


def adobe_transform(data, transform):
    """With the Adobe marker's transform changed, or (None) without the marker."""
    def edit(marker, segment):
        if marker != 0xEE:
            return segment
        return b"" if transform is None else segment[:-1] + bytes([transform])
    return jpeg_edit(data, edit)


def sampling_turned(data):
    """4:2:2 read as 4:4:0: as many blocks in another order, if the picture is 16 x 16."""
    return jpeg_edit(data, lambda marker, s: s.replace(b"\1\x21\0", b"\1\x12\0", 1)
                     if marker == 0xC0 else s)


def jpegs():
    rgb = Image.fromarray(smooth())
    yield "grey.jpg", saved(Image.fromarray(smooth()[..., 0]), "JPEG")
    for i, name in enumerate(("444", "422", "420")):
        yield f"rgb-{name}.jpg", saved(rgb, "JPEG", subsampling=i, quality=60)
        yield f"progressive-{name}.jpg", saved(rgb, "JPEG", subsampling=i, progressive=True)
    square = Image.fromarray(smooth(1, 16, 16))
    yield "rgb-440.jpg", sampling_turned(saved(square, "JPEG", subsampling=1))
    yield "restarts.jpg", saved(rgb, "JPEG", restart_marker_blocks=1)
    yield "one-pixel.jpg", saved(Image.fromarray(smooth(2, 1, 1)), "JPEG")
    yield "thin.jpg", saved(Image.fromarray(smooth(2, 1, 40)), "JPEG")
    yield "keep-rgb.jpg", saved(rgb, "JPEG", keep_rgb=True)
    cmyk = saved(Image.fromarray(smooth(3, channels=4), "CMYK"), "JPEG", quality=90)
    yield "cmyk-adobe.jpg", cmyk
    yield "cmyk-plain.jpg", adobe_transform(cmyk, None)
    yield "ycck.jpg", adobe_transform(cmyk, 2)
    yield "icc.jpg", saved(rgb, "JPEG", icc_profile=bytes(noise(4, 300)))
    for i in range(1, 9):
        yield f"turned-{i}.jpg", saved(rgb, "JPEG", exif=b"Exif\0\0" + tiff(i, "<>"[i % 2]))
    yield "turned-9.jpg", saved(rgb, "JPEG", exif=b"Exif\0\0" + tiff(9))
    yield "turned-long.jpg", saved(rgb, "JPEG", exif=b"Exif\0\0" + tiff(6, ">", 4))
    plain = saved(rgb, "JPEG")  # Pillow 10.4 takes XMP's orientation in PNG only
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp(6)
    yield "xmp-6.jpg", plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(packet)) + packet + plain[2:]


# ---- PNG ----------------------------------------------------------------------------------


def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body)))


def filtered_rows(samples, depth):
    """samples[height, width, channels] packed into rows, each with another of the 5 filters."""
    height, width, channels = samples.shape
    bits = channels * depth
    step = max(1, bits // 8)
    before = None
    out = b""
    for y in range(height):
        if depth == 16:
            row = samples[y].astype(">u2").tobytes()
        elif depth == 8:
            row = samples[y].astype(np.uint8).tobytes()
        else:
            digits = "".join(f"{v:0{depth}b}" for v in samples[y].ravel())
            digits += "0" * (-len(digits) % 8)
            row = bytes(int(digits[i:i + 8], 2) for i in range(0, len(digits), 8))
        before = before or bytes(len(row))
        left = bytes(step) + row
        corner = bytes(step) + before
        kind = y % 5
        guess = [lambda a, b, c: 0, lambda a, b, c: a, lambda a, b, c: b,
                 lambda a, b, c: (a + b) // 2, paeth][kind]
        out += bytes([kind]) + bytes((v - guess(a, b, c)) % 256
                                     for v, a, b, c in zip(row, left, before, corner))
        before = row
    return out


def paeth(a, b, c):
    p = a + b - c
    return min(((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c)))[2]


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
         (1, 0, 2, 1)]


def png(colour, depth, samples, interlaced=False, before=b"", after=b""):
    """before and after: chunks around the pixels."""
    height, width, _ = samples.shape
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    body = b"".join(filtered_rows(p, depth) for p in passes if p.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(body, 9)
    half = len(data) // 2
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data[:half])
            + chunk(b"IDAT", data[half:]) + after + chunk(b"IEND", b""))


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
NAMES = {0: "grey", 2: "rgb", 3: "palette", 4: "grey-alpha", 6: "rgba"}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def samples_of(colour, depth, seed=0, width=W, height=H):
    rng = np.random.default_rng(100 * colour + depth + seed)
    return rng.integers(0, 1 << depth, (height, width, CHANNELS[colour]))


def palette(n, seed=7):
    return chunk(b"PLTE", noise(seed, n, 3).tobytes())


def pngs():
    for colour, depths in DEPTHS.items():
        for depth in depths:
            samples = samples_of(colour, depth)
            plte = palette(1 << depth) if colour == 3 else b""
            for interlaced in (False, True):
                name = f"{NAMES[colour]}-{depth}{'-interlaced' if interlaced else ''}.png"
                yield name, png(colour, depth, samples, interlaced, plte)
    tiny = samples_of(2, 8, 1, 1, 1)
    yield "one-pixel.png", png(2, 8, tiny)
    yield "one-pixel-interlaced.png", png(2, 8, tiny, True)
    yield "thin.png", png(2, 8, samples_of(2, 8, 2, 1, 99))
    yield "palette-alpha.png", png(3, 8, samples_of(3, 8), False,
                                   palette(256) + chunk(b"tRNS", noise(8, 200).tobytes()))
    yield "grey-transparent.png", png(0, 8, samples_of(0, 8), False,
                                      chunk(b"tRNS", struct.pack(">H", 77)))
    rgb = samples_of(2, 8, 3)
    yield "rgb-transparent.png", png(2, 8, rgb, False, chunk(b"tRNS", struct.pack(
        ">HHH", *(int(v) for v in rgb[2, 2]))))
    yield "palette-short.png", png(3, 8, samples_of(3, 4), False, palette(16))
    yield "gamma.png", png(2, 8, rgb, False, chunk(b"gAMA", struct.pack(">I", 100000))
                           + chunk(b"sBIT", bytes([5, 6, 5]))
                           + chunk(b"iCCP", b"odd\0\0" + zlib.compress(noise(9, 500).tobytes()))
                           + chunk(b"tEXt", b"Comment\0nothing"))
    for i in (3, 6, 8):
        yield f"turned-{i}.png", png(2, 8, rgb, False, chunk(b"eXIf", tiff(i)))
    yield "turned-late-5.png", png(2, 8, rgb, False, b"", chunk(b"eXIf", tiff(5, ">")))
    yield from pngs_turned_by_text(rgb)
    # The 8 bytes at the place of IHDR's size say 9 x 1000, then 1000 x 9.
    plain = png(2, 8, rgb)
    for size in ((9, 1000), (1000, 9)):
        early = chunk(b"tEXt", struct.pack(">II", *size))
        yield f"early-text-{size[0]}.png", plain[:8] + early + plain[8:]


def raw_profile(data):
    """EXIF as ImageMagick and ExifTool write it into a text."""
    digits = data.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(data):8d}\n{lines}\n".encode()


def xmp(orientation, element=False):
    tag = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element else ""
    attribute = "" if element else f'tiff:Orientation="{orientation}"'
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
            f'rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
            f"{attribute}>{tag}</rdf:Description></rdf:RDF></x:xmpmeta>").encode()


def ztxt(keyword, text):
    return chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))


def itxt(keyword, text, packed=False, language=b"", method=0):
    return chunk(b"iTXt", keyword + bytes([0, packed, method]) + language + b"\0\0"
                 + (zlib.compress(text) if packed else text))


RAW, XMP = b"Raw profile type exif", b"XML:com.adobe.xmp"


def pngs_turned_by_text(rgb):
    """The name says where the orientation is; with two, the picture shows which is used."""
    none = tiff(0x0112).replace(b"\x12\x01\x03", b"\x13\x01\x03")  # EXIF without an orientation
    exif, raw = b"Exif\0\0" + tiff(6), raw_profile(b"Exif\0\0" + tiff(8, ">"))
    texts = {
        "raw-ztxt": ztxt(RAW, raw),
        "raw-text": chunk(b"tEXt", RAW + b"\0" + raw),
        "raw-itxt": itxt(RAW, raw),
        "raw-bare": ztxt(RAW, raw_profile(tiff(5))),
        "raw-upper": ztxt(RAW, raw.upper().replace(b"EXIF", b"exif")),
        "raw-over-xmp": ztxt(RAW, raw) + itxt(XMP, xmp(3)),
        "raw-none-then-xmp": ztxt(RAW, raw_profile(none)) + itxt(XMP, xmp(3)),
        "raw-last-of-two": ztxt(RAW, raw) + chunk(b"tEXt", RAW + b"\0" + raw_profile(tiff(6))),
        "raw-damaged": ztxt(RAW, raw) + chunk(b"zTXt", RAW + b"\0\0no deflate stream"),
        "raw-cut": chunk(b"zTXt", RAW + b"\0\0" + zlib.compress(raw)[:-4]),
        "raw-header-only": chunk(b"tEXt", RAW + b"\0\nexif\n       0\n"),
        "raw-other-keyword": ztxt(b"Raw profile type APP1", raw),
        "exif-over-raw": chunk(b"eXIf", tiff(3)) + ztxt(RAW, raw),
        "exif-over-late-raw": ztxt(RAW, raw) + chunk(b"eXIf", tiff(3)),
        "exif-none-over-raw": chunk(b"eXIf", none) + ztxt(RAW, raw),
        "exif-none-then-xmp": chunk(b"eXIf", none) + ztxt(RAW, raw) + itxt(XMP, xmp(2)),
        "exif-1-over-xmp": chunk(b"eXIf", tiff(1)) + itxt(XMP, xmp(6)),
        "exif-9-over-xmp": chunk(b"eXIf", tiff(9)) + itxt(XMP, xmp(6)),
        "exif-text": chunk(b"tEXt", b"exif\0" + exif),
        "xmp": itxt(XMP, xmp(6)),
        "xmp-element": itxt(XMP, xmp(8, True)),
        "xmp-packed": itxt(XMP, xmp(7), True),
        "xmp-text": chunk(b"tEXt", XMP + b"\0" + xmp(4)),
        "xmp-ztxt": ztxt(XMP, xmp(5)),
        "xmp-first-match": itxt(XMP, b'tiff:Orientation="x" ' + xmp(6) + xmp(3)),
        "xmp-9": itxt(XMP, xmp(9) + xmp(6)),
        "xmp-last-of-two": itxt(XMP, xmp(6)) + itxt(XMP, xmp(3)),
        "xmp-not-utf8": itxt(XMP, xmp(6) + b"\xff"),
        "xmp-language-not-utf8": itxt(XMP, xmp(6), False, b"\xff"),
        "xmp-other-method": itxt(XMP, xmp(6), True, b"", 1),
        "xmp-single-quotes": itxt(XMP, xmp(6).replace(b'"6"', b"'6'")),
    }
    for name, chunks in texts.items():
        yield f"turned-{name}.png", png(2, 8, rgb, False, chunks)
    yield "turned-late-raw.png", png(2, 8, rgb, False, b"", texts["raw-ztxt"])
    yield "turned-late-xmp.png", png(2, 8, rgb, False, b"", texts["xmp"])


# ---- WebP ---------------------------------------------------------------------------------


def riff(*chunks):
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2)
                              for k, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunks(data):
    at = 12
    while at < len(data):
        length = struct.unpack("<I", data[at + 4:at + 8])[0]
        yield data[at:at + 4], data[at + 8:at + 8 + length]
        at += 8 + length + length % 2


def u24(v):
    return struct.pack("<I", v)[:3]


def webp_extended(flags, width, height, *chunks):
    return riff((b"VP8X", bytes([flags, 0, 0, 0]) + u24(width - 1) + u24(height - 1)), *chunks)


def webps():
    rgb, rgba = Image.fromarray(smooth()), Image.fromarray(smooth(5, channels=4), "RGBA")
    lossy = saved(rgb, "WEBP", quality=70)
    yield "lossy.webp", lossy
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "lossy-alpha.webp", saved(rgba, "WEBP", quality=80)
    yield "lossless-alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "palette.webp", saved(Image.fromarray(smooth() // 100 * 100), "WEBP", lossless=True)
    yield "one-pixel.webp", saved(Image.fromarray(smooth(2, 1, 1)), "WEBP")
    yield "icc.webp", saved(rgb, "WEBP", icc_profile=bytes(noise(4, 300)))
    others = [Image.fromarray(smooth(i)) for i in (1, 2)]
    yield "animated.webp", saved(rgb, "WEBP", save_all=True, append_images=others, duration=50)
    frame = b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2)
                     for k, b in webp_chunks(lossy))
    yield "animated-offset.webp", webp_extended(
        2, 30, 20, (b"ANIM", bytes([9, 9, 9, 255, 0, 0])),
        (b"ANMF", u24(4 // 2) + u24(6 // 2) + u24(W - 1) + u24(H - 1) + u24(40) + b"\0" + frame))
    image = next(webp_chunks(lossy))
    yield "turned-6.webp", webp_extended(8, W, H, image, (b"EXIF", tiff(6)))
    yield "turned-7.webp", webp_extended(8, W, H, image, (b"EXIF", b"Exif\0\0" + tiff(7, ">")))
    yield "xmp-6.webp", webp_extended(4, W, H, image, (b"XMP ", xmp(6)))


def cases():
    for make in (jpegs, pngs, webps):
        yield from make()
