#!/usr/bin/env python3
"""Writes phrases that name nothing in their picture, for `gromatic eval ground --absent` and `calibrate`.

    absent.py --coco FILE --refs FILE [-o FILE] [--seed S] [--most N] [--drawn]

Kinds: noun, a thing of another group than all that is there; near, a like thing of the same group (a tiger where a lion
is); place, the right thing at a place where it is not, or another thing at a place that a phrase of --refs names;
attribute, the right thing in a colour that it does not have. Each phrase is false by the annotations: a class is absent
if no box or crowd has it (nor one whose name has all its words), and, if the image has neg_category_ids, as LVIS has,
only if it is listed there. A thing is at another place if it is the only one of its class and lies wholly in the other
half. A colour is wrong if the only thing of its class has another one by --refs, or by its name (red apple). --drawn
also takes the colours that the things of the drawn world have.
The same arguments give the same file."""

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from pathlib import Path

KINDS = ["noun", "near", "place", "attribute"]
COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "brown"]
# Things that are taken for each other, beyond their group: drawn world, COCO.
NEAR = [set(line.split(",")) for line in (
    "lion,tiger", "dog,fox", "panda,bear,koala", "mouse,rabbit", "dolphin,whale,fish", "chicken,duck,bird,penguin,owl",
    "cow,pig,horse,sheep,zebra", "bee,ladybug,butterfly", "lemon,tangerine,peach,orange", "cherries,strawberry,grapes",
    "pizza,hamburger,hot dog,sandwich", "cookie,donut,cake", "car,taxi,bus,ambulance,truck", "train,tractor",
    "airplane,rocket,helicopter", "sailboat,ship,boat", "soccer ball,basketball,sports ball,balloon", "guitar,trumpet",
    "sun,moon,star", "tree,cactus", "sunflower,rose", "bicycle,motorcycle", "fork,knife,spoon", "cup,wine glass,bottle",
    "chair,couch,bench", "laptop,tv,keyboard", "top hat,crown", "elephant,giraffe,bear")]
# The drawn things whose colour is plain, and colours that no part of them has.
DRAWN = {
    "banana": ("yellow", "blue purple pink"), "lemon": ("yellow", "blue purple pink"), "frog": ("green", "blue purple orange"),
    "tomato": ("red", "blue purple yellow"), "strawberry": ("red", "blue purple"), "carrot": ("orange", "blue purple pink"),
    "tangerine": ("orange", "blue purple pink"), "grapes": ("purple", "blue yellow orange"), "pig": ("pink", "blue green"),
    "pear": ("green", "blue purple pink"), "cheese": ("yellow", "blue purple green"), "star": ("yellow", "blue green purple"),
    "cactus": ("green", "blue purple yellow"), "crab": ("red", "blue green yellow"), "taxi": ("yellow", "purple pink green"),
    "fox": ("orange", "blue green purple"), "sun": ("yellow", "blue green purple"), "balloon": ("red", "green yellow blue"),
    "basketball": ("orange", "blue green purple"), "duck": (None, "blue purple pink"), "whale": ("blue", "red yellow green"),
    "elephant": ("gray", "green red yellow"), "bear": ("brown", "blue green purple"), "tree": ("green", "blue purple pink"),
}
NO_ARTICLE = {"grapes", "cherries", "scissors", "bread", "cheese"}


def with_article(name):
    return name if name in NO_ARTICLE else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def bare(phrase):
    """Without article and case, so that "A dog" and "the dog" are the same."""
    return re.sub(r"^(a|an|the) ", "", " ".join(phrase.lower().split()))


def has_words(phrase, name):
    return re.search(rf"\b{re.escape(name)}\b", phrase) is not None


class Picture:
    def __init__(self, image, world):
        self.width, self.height = image["width"], image["height"]
        self.boxes = defaultdict(list)  # of each class; None: a crowd
        for a in world.annotations[image["id"]]:
            self.boxes[world.names[a["category_id"]]].append(None if a.get("iscrowd") else a["bbox"])
        self.refs = world.refs[image["id"]]
        self.said = {bare(r["expression"]) for r in self.refs}
        listed = image.get("neg_category_ids")
        known = list(world.names.values()) if listed is None else [world.names[i] for i in listed]
        words = [set(name.split()) for name in self.boxes]
        self.absent = [n for n in known if not any(set(n.split()) <= w or w <= set(n.split()) for w in words)
                       and not any(has_words(phrase, n) for phrase in self.said)]
        # "red apple" where there is a green one alone: not a thing of another kind, but of another colour
        self.recoloured = [n for n in known if n not in self.boxes and n.split()[0] in COLOURS and
                           not any(has_words(phrase, n) for phrase in self.said) and
                           any(o.split()[0] in COLOURS and o.split()[1:] == n.split()[1:] for o in self.boxes)]
        self.groups = {world.groups[name] for name in self.boxes}

    def single(self, name):
        """The box of the only thing of this class; None if there are several."""
        return self.boxes[name][0] if len(self.boxes[name]) == 1 else None


def nouns(picture, world):
    far = [n for n in picture.absent if world.groups[n] not in picture.groups]
    return [form for n in far or picture.absent for form in (with_article(n), f"the {n}")]


def near(picture, world):
    found = []
    for name in picture.boxes:
        like = set().union(*(group for group in NEAR if name in group))
        same = [n for n in picture.absent if n in like]
        same = same or [n for n in picture.absent if world.groups[n] == world.groups[name]]
        found += [form for n in same for form in (with_article(n), f"the {n}")]
    return found


def wrong_places(picture):
    found = []
    for name in picture.boxes:
        box = picture.single(name)
        if box is None:
            continue
        x, y, w, h = box
        for wholly, side, adjective in ((x > picture.width / 2, "on the left", "left"),
                                        (x + w < picture.width / 2, "on the right", "right"),
                                        (y > picture.height / 2, "at the top", "upper"),
                                        (y + h < picture.height / 2, "at the bottom", "lower")):
            if wholly:
                found += [f"the {name} {side}", f"the {adjective} {name}"]
    return found


def wrong_things(picture, world):
    """A phrase of the refs that says more than the name, with the name of an absent thing."""
    found = []
    for ref in picture.refs:
        name, phrase = ref.get("name"), ref["expression"]
        if name is None or bare(phrase) == name or not has_words(phrase, name):
            continue
        same = [n for n in picture.absent if world.groups[n] == world.groups[name]] or picture.absent
        found += [re.sub(rf"\b{re.escape(name)}\b", n, phrase, count=1) for n in same if not re.match(r"an? ", phrase)]
    return found


def wrong_colours(picture, drawn):
    found = [form for n in picture.recoloured for form in (with_article(n), f"the {n}")]
    for name in picture.boxes:
        if picture.single(name) is None or name.split()[0] in COLOURS:
            continue
        if drawn and name in DRAWN:
            found += [f"the {colour} {name}" for colour in DRAWN[name][1].split()]
        for ref in picture.refs:
            has = [c for c in COLOURS if has_words(ref["expression"].lower(), f"{c} {name}")]
            if ref.get("name") == name and has:
                found += [f"the {colour} {name}" for colour in COLOURS
                          if colour not in ref["expression"].lower()]
    return found


class World:
    def __init__(self, coco, refs):
        self.images = coco["images"]
        self.names = {c["id"]: c["name"] for c in coco["categories"]}
        self.groups = {c["name"]: c.get("supercategory", "") for c in coco["categories"]}
        self.annotations, self.refs = defaultdict(list), defaultdict(list)
        class_of = {a["id"]: self.names[a["category_id"]] for a in coco["annotations"]}
        for a in coco["annotations"]:
            self.annotations[a["image_id"]].append(a)
        for r in refs:
            if r.get("annotation_id") is not None:
                self.refs[r["image_id"]].append(dict(r, name=class_of.get(r["annotation_id"])))


def absent(world, seed, most, drawn):
    out = []
    for image in world.images:
        picture, rng, taken = Picture(image, world), random.Random(f"{seed}/absent/{image['id']}"), set()
        things, places = wrong_things(picture, world), wrong_places(picture)
        lists = {"attribute": [wrong_colours(picture, drawn)], "place": [places, things],
                 "near": [near(picture, world)], "noun": [nouns(picture, world)]}
        for kind in KINDS:
            n, sources = 0, [rng.sample(s, len(s)) for s in lists[kind]]
            while n < most and any(sources):
                source = sources.pop(0)
                sources.append(source)
                phrase = source.pop() if source else None
                if phrase and bare(phrase) not in picture.said and bare(phrase) not in taken:
                    taken.add(bare(phrase))
                    out.append({"image_id": image["id"], "expression": phrase, "kind": kind})
                    n += 1
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--refs", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, help="default: standard output")
    parser.add_argument("--seed", default="absent")
    parser.add_argument("--most", type=int, default=3, help="phrases of a kind for a picture (3)")
    parser.add_argument("--drawn", action="store_true", help="the pictures are of the drawn world")
    args = parser.parse_args()
    world = World(json.loads(args.coco.read_text()), json.loads(args.refs.read_text()))
    text = "[" + ",\n ".join(json.dumps(entry) for entry in absent(world, args.seed, args.most, args.drawn)) + "]\n"
    if args.output:
        args.output.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
