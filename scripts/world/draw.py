#!/usr/bin/env python3
"""Draws the world that the embedded models learn: emoji at all sizes and turns on drawn backgrounds.

    draw.py --out DIR [--scenes N] [--singles N] [--seed S] [--jobs J]

DIR/scenes/images, annotations.json (COCO, with each image's background) and referring.json (expressions that
single out one object, and a share that is not in the picture: their annotation_id is null);
DIR/singles/<class>/ and singles.json, pictures of one object with its name, box and background, for CLIP.
The same arguments give the same pictures. Needs Pillow and the font of Debian's fonts-noto-color-emoji (OFL 1.1)."""

import argparse
import json
import math
import random
from multiprocessing import Pool
from pathlib import Path

from objects import BACKGROUNDS, OBJECTS
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
GLYPH = 109  # the only size that this bitmap font has
SCENE_SIZES = [(224, 224), (300, 300), (512, 512), (448, 400), (320, 280), (280, 320)]
SINGLE_SIZES = [(150, 220), (220, 150), (224, 224), (180, 180), (300, 300)]
NO_ARTICLE = {"grapes", "cherries", "scissors", "bread", "cheese"}
THE = {"sun", "moon"}
ABSENT_SHARE = 0.25  # of expressions that name what the picture does not show

_glyphs = {}


def glyph(index):
    """The emoji, cut to what is drawn. A process keeps those that it has used."""
    if index not in _glyphs:
        font = ImageFont.truetype(FONT, GLYPH)
        image = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(image).text((10, 10), OBJECTS[index][2], font=font, embedded_color=True)
        _glyphs[index] = image.crop(image.getbbox())
    return _glyphs[index]


def with_article(name):
    if name in NO_ARTICLE:
        return name
    if name in THE:
        return f"the {name}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def near(rng, colour, spread):
    return tuple(max(0, min(255, c + rng.randint(-spread, spread))) for c in colour)


def background(rng, size, name):
    base = near(rng, BACKGROUNDS[name], 18)
    width, height = size
    image = Image.new("RGB", size, base)
    kind = rng.choice(["plain", "gradient", "noise", "stripes", "shapes", "shapes"])
    if kind == "gradient":
        ramp = Image.linear_gradient("L").rotate(rng.choice([0, 90, 180, 270])).resize(size)
        image.paste(Image.new("RGB", size, near(rng, base, 60)), mask=ramp)
    elif kind == "noise":
        noise = Image.frombytes("L", size, rng.randbytes(width * height))
        image = Image.blend(image, Image.merge("RGB", [noise] * 3), rng.uniform(0.04, 0.12))
    elif kind == "stripes":
        side = 2 * max(size)
        stripes, step, other = Image.new("RGB", (side, side), base), rng.randint(14, 60), near(rng, base, 35)
        draw = ImageDraw.Draw(stripes)
        for x in range(0, side, step):
            draw.rectangle([x, 0, x + step // 2, side], fill=other)
        stripes = stripes.rotate(rng.uniform(0, 180), fillcolor=base)
        image = stripes.crop(((side - width) // 2, (side - height) // 2, (side + width) // 2, (side + height) // 2))
        image = image.resize(size)
    elif kind == "shapes":
        draw = ImageDraw.Draw(image)
        for _ in range(rng.randint(1, 7)):
            x, y = rng.randint(-20, width), rng.randint(-20, height)
            box = [x, y, x + rng.randint(10, width // 2), y + rng.randint(10, height // 2)]
            (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=near(rng, base, 60))
    return image


def shifted_hue(image, shift):
    alpha = image.getchannel("A")
    hue, saturation, value = image.convert("RGB").convert("HSV").split()
    hue = hue.point(lambda h: (h + shift) % 256)
    turned = Image.merge("HSV", (hue, saturation, value)).convert("RGB").convert("RGBA")
    turned.putalpha(alpha)
    return turned


def drawn_object(rng, index, side):
    """The emoji about `side` pixels large, turned, mirrored, and in slightly other colours."""
    image = glyph(index)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stretch = rng.uniform(0.85, 1.18)
    scale = side / max(image.size)
    image = image.resize((max(8, round(image.width * scale * stretch)), max(8, round(image.height * scale / stretch))),
                         Image.Resampling.LANCZOS)
    image = image.rotate(rng.gauss(0, 13), resample=Image.Resampling.BICUBIC, expand=True)
    if rng.random() < 0.5:
        image = shifted_hue(image, rng.randint(-7, 7))
    alpha = image.getchannel("A")
    plain = image.convert("RGB")
    for enhance, low, high in ((ImageEnhance.Brightness, 0.65, 1.2), (ImageEnhance.Color, 0.5, 1.4),
                               (ImageEnhance.Contrast, 0.75, 1.2)):
        if rng.random() < 0.6:
            plain = enhance(plain).enhance(rng.uniform(low, high))
    image = plain.convert("RGBA")
    image.putalpha(alpha)
    if rng.random() < 0.1:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    visible = image.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox()
    return image.crop(visible) if visible else image


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def scene(rng, size, n_objects, pool):
    """Picture, background, and [(object, box x1 y1 x2 y2)]; objects cover each other a little at most."""
    name = rng.choice(list(BACKGROUNDS))
    image, placed = background(rng, size, name), []
    for _ in range(n_objects):
        index = rng.choice([o for o, _ in placed]) if placed and rng.random() < 0.12 else rng.choice(pool)
        for _ in range(20):
            side = min(size) * math.exp(rng.uniform(math.log(0.15), math.log(0.7 if n_objects < 4 else 0.45)))
            thing = drawn_object(rng, index, side)
            if thing.width >= size[0] or thing.height >= size[1]:
                continue
            x, y = rng.randint(0, size[0] - thing.width), rng.randint(0, size[1] - thing.height)
            box = (x, y, x + thing.width, y + thing.height)
            if all(overlap(box, other) < 0.12 for _, other in placed):
                image.paste(thing, (x, y), thing)
                placed.append((index, box))
                break
    return image, name, placed


def expressions(rng, placed):
    """[(expression, place in `placed` or None)]: names, positions where a name occurs twice, and things that
    are not there: another noun, or the right noun at a place where it is not."""
    found, names = [], [OBJECTS[o][0] for o, _ in placed]
    for i, (_, box) in enumerate(placed):
        name, twins = names[i], [j for j in range(len(placed)) if names[j] == names[i] and j != i]
        if not twins:
            found += [(with_article(name), i), (f"the {name}", i)]
        elif len(twins) == 1:
            other = placed[twins[0]][1]
            dx = (box[0] + box[2] - other[0] - other[2]) / 2
            dy = (box[1] + box[3] - other[1] - other[3]) / 2
            if abs(dx) > abs(dy) and abs(dx) > 0.5 * (box[2] - box[0]):
                found.append((f"the {name} on the {'right' if dx > 0 else 'left'}", i))
            elif abs(dy) > 0.5 * (box[3] - box[1]):
                found.append((f"the {'lower' if dy > 0 else 'upper'} {name}", i))
    for _ in range(sum(rng.random() < ABSENT_SHARE for _ in found)):
        absent = rng.choice([n for n, _, _ in OBJECTS if n not in names])
        found.append((rng.choice([with_article(absent), f"the {absent}"]), None))
    return found


def save(image, path, rng):
    options = {".png": {}, ".jpg": {"quality": rng.randint(70, 95)}, ".webp": {"quality": rng.randint(70, 95)}}
    image.save(path, **options[path.suffix])


def one_scene(job):
    out, number, seed = job
    rng = random.Random(f"{seed}/scene/{number}")
    size = rng.choice(SCENE_SIZES)
    image, name, placed = scene(rng, size, rng.choice([1, 2, 3, 3, 4, 5, 5, 6]), range(len(OBJECTS)))
    path = out / "scenes/images" / f"{number:06d}{('.png', '.jpg', '.webp')[number % 3]}"
    save(image, path, rng)
    return {"file_name": path.name, "width": size[0], "height": size[1], "background": name}, placed, expressions(rng, placed)


def one_single(job):
    out, number, seed = job
    rng = random.Random(f"{seed}/single/{number}")
    index = number % len(OBJECTS)
    image, name, placed = scene(rng, rng.choice(SINGLE_SIZES), 1, [index])
    folder = out / "singles" / OBJECTS[index][0].replace(" ", "_")
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{number:06d}{'.png' if number % 2 else '.jpg'}"
    save(image, path, rng)
    record = {"file_name": str(path.relative_to(out / "singles")), "name": OBJECTS[index][0],
              "group": OBJECTS[index][1], "background": name}
    if placed:
        x1, y1, x2, y2 = placed[0][1]
        record["bbox"] = [x1, y1, x2 - x1, y2 - y1]
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--singles", type=int, default=0)
    parser.add_argument("--seed", default="train")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    with Pool(args.jobs) as pool:
        if args.scenes:
            (args.out / "scenes/images").mkdir(parents=True, exist_ok=True)
            coco = {"info": {"description": "Drawn scenes of emoji (Noto Color Emoji, OFL 1.1)"}, "images": [],
                    "annotations": [], "categories": [{"id": i + 1, "name": n, "supercategory": g}
                                                      for i, (n, g, _) in enumerate(OBJECTS)]}
            referring = []
            jobs = ((args.out, number, args.seed) for number in range(args.scenes))
            for number, (picture, placed, said) in enumerate(pool.imap(one_scene, jobs, chunksize=16)):
                first = len(coco["annotations"]) + 1
                coco["images"].append({"id": number + 1, **picture})
                boxes = [[float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])] for _, b in placed]
                coco["annotations"] += [
                    {"id": first + i, "image_id": number + 1, "category_id": o + 1, "bbox": boxes[i],
                     "area": boxes[i][2] * boxes[i][3], "iscrowd": 0} for i, (o, _) in enumerate(placed)]
                referring += [{"image_id": number + 1, "expression": text,
                               "annotation_id": None if i is None else first + i,
                               "bbox": None if i is None else boxes[i]} for text, i in said]
            (args.out / "scenes/annotations.json").write_text(json.dumps(coco))
            (args.out / "scenes/referring.json").write_text(json.dumps(referring))
        if args.singles:
            jobs = ((args.out, number, args.seed) for number in range(args.singles))
            singles = pool.map(one_single, jobs, chunksize=16)
            (args.out / "singles/singles.json").write_text(json.dumps(singles))


if __name__ == "__main__":
    main()
