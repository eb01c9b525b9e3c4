"""What the calls return: frozen dataclasses, which hold nothing of the library but, if any, the picture."""
from __future__ import annotations

import html
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from . import _draw
from ._errors import ArgumentError
from ._image import Image

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Region:
    """A place in a picture.

    box: x1, y1, x2, y2 in pixels of the upright picture: left, upper, right and lower edge. score: 0 to 1, of the
    proposer; of ``ground``, see GroundResult. index: the region's number in the prompt. share: of ``ground``, the
    region's share among the picture's regions; else 0.
    """

    box: Box
    score: float = 1.0
    index: int = -1
    share: float = 0.0


@dataclass(frozen=True)
class Grounding:
    """A phrase of an answer that is tied to regions. ``text[span[0]:span[1]]`` of the answer is the phrase.

    present: 0 to 1, how sure the model is that the phrase has a region here; calibrated: that is a measured
    probability (docs/PRESENT.md).
    """

    phrase: str
    span: tuple[int, int]
    regions: tuple[Region, ...]
    present: float = 0.0
    calibrated: bool = False


@dataclass(frozen=True)
class Label:
    """A class with its score.

    score: the probability, a softmax over the classes. raw_score: the method's own number, which does not depend on
    the other classes. class_index: the number of the class, from 0.
    """

    name: str
    score: float
    raw_score: float
    class_index: int


@dataclass(frozen=True)
class _Result:
    """What results about one picture have.

    size: its width and height in pixels. file: its path, if it came from one. picture: the picture, for drawings; None
    in batches, where it would fill the memory.
    """

    size: tuple[int, int]
    file: str | None = field(default=None, compare=False)
    picture: Image | None = field(default=None, repr=False, compare=False)

    def _boxes(self) -> list[tuple[Region, str, float]]:
        """Regions with label and score, in the order of the result."""
        raise NotImplementedError

    def _caption(self) -> tuple[str, list[_draw.Span]]:
        return "", []

    def _marks(self) -> list[_draw.Mark]:
        numbers: dict[str, int] = {}
        return [(region.box, label, numbers.setdefault(label, len(numbers))) for region, label, _ in self._boxes()]

    @property
    def boxes(self) -> np.ndarray:
        """float32 ``[n, 4]``: x1, y1, x2, y2 in pixels of the upright picture."""
        return np.array([region.box for region, _, _ in self._boxes()], np.float32).reshape(-1, 4)

    @property
    def scores(self) -> np.ndarray:
        """float32 ``[n]``, from 0 to 1."""
        return np.array([score for _, _, score in self._boxes()], np.float32)

    @property
    def labels(self) -> list[str]:
        """What each box is called, ``n`` of them."""
        return [label for _, label, _ in self._boxes()]

    def to_supervision(self) -> Any:
        """supervision.Detections: ``xyxy``, ``confidence``, ``class_id`` (numbers in the order of first use), and
        ``data["class_name"]``. Needs the package supervision."""
        try:
            import supervision
        except ImportError as error:
            raise ImportError("to_supervision needs the package supervision: pip install supervision") from error
        names, numbers = self.labels, {}
        ids = np.array([numbers.setdefault(name, len(numbers)) for name in names], int)
        return supervision.Detections(xyxy=self.boxes, confidence=self.scores, class_id=ids,
                                      data={"class_name": np.array(names, dtype=str)})

    def to_coco(self, image_id: int = 1) -> dict:
        """A COCO data set of this picture alone (dict); ``gromatic.to_coco`` makes one of many results."""
        return to_coco([self], first_id=image_id)

    def to_dict(self) -> dict:
        """What the program prints with --json (docs/JSON.md)."""
        image: dict[str, Any] = {"file": self.file} if self.file else {}
        image.update(width=self.size[0], height=self.size[1])
        return {"image": image, **self._members()}

    def _members(self) -> dict:
        raise NotImplementedError

    def draw(self, path: str | os.PathLike | None = None, kind: Literal["png", "jpeg"] | None = None) -> bytes:
        """The picture with boxes, labels and text as a PNG or JPEG; written to path too, if one is given.

        kind: by the path's ending, else "png". ArgumentError where the result has no picture.
        """
        if self.picture is None:
            raise ArgumentError("found a result without its picture; wanted one with it: set it with "
                                "dataclasses.replace(result, picture=gromatic.Image(...))")
        if kind is None:
            kind = "jpeg" if path and os.fspath(path).lower().endswith((".jpg", ".jpeg")) else "png"
        data = _draw.draw(self.picture, self._marks(), *self._caption(), kind)
        if path is not None:
            with open(path, "wb") as file:
                file.write(data)
        return data

    def _repr_png_(self) -> bytes | None:
        return None if self.picture is None or self.picture.closed else self.draw()

    def _repr_html_(self) -> str:
        caption, spans = self._caption()
        words = _draw.coloured(caption, spans) if caption else ""
        return _draw.page(self.picture, self.size, self._marks(), words)


def _region_dict(region: Region) -> dict:
    return {"box": list(region.box), "score": region.score, "index": region.index}


@dataclass(frozen=True)
class Answer(_Result):
    """An answer in words, and the phrases that are tied to regions.

    text: without tags. groundings: in the order of the text. raw: the model's own text with tags, region tokens and
    </s>. ids: the generated token ids. complete: False where the answer was cut.
    """

    text: str = ""
    groundings: tuple[Grounding, ...] = ()
    raw: str = field(default="", repr=False)
    ids: tuple[int, ...] = field(default=(), repr=False)
    complete: bool = True

    def __str__(self) -> str:
        return self.text

    def _boxes(self) -> list[tuple[Region, str, float]]:
        return [(region, grounding.phrase, region.score) for grounding in self.groundings
                for region in grounding.regions]

    def _marks(self) -> list[_draw.Mark]:
        return [(region.box, grounding.phrase, number) for number, grounding in enumerate(self.groundings)
                for region in grounding.regions]

    def _caption(self) -> tuple[str, list[_draw.Span]]:
        return self.text, [(*grounding.span, number) for number, grounding in enumerate(self.groundings)]

    def _members(self) -> dict:
        groundings = [{"phrase": g.phrase, "span": [len(self.text[:at].encode()) for at in g.span],
                       "present": g.present, "calibrated": g.calibrated,
                       "regions": [_region_dict(region) for region in g.regions]} for g in self.groundings]
        cut = {} if self.complete else {"complete": False}
        return {"text": self.text, "grounding": groundings, **cut}


@dataclass(frozen=True)
class Detections(_Result):
    """Every region that holds some thing, in falling score."""

    regions: tuple[Region, ...] = ()

    def __len__(self) -> int:
        return len(self.regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self.regions)

    def __getitem__(self, i: int) -> Region:
        return self.regions[i]

    def _boxes(self) -> list[tuple[Region, str, float]]:
        return [(region, "object", region.score) for region in self.regions]

    def _marks(self) -> list[_draw.Mark]:
        return [(region.box, f"{region.score:.2f}", number) for number, region in enumerate(self.regions)]

    def _members(self) -> dict:
        return {"regions": [_region_dict(region) for region in self.regions]}


@dataclass(frozen=True)
class GroundResult(_Result):
    """The regions of a phrase, best first; none where its thing is not in the picture.

    present: 0 to 1, how sure the model is that the picture has what the phrase names. calibrated: present and the
    regions' scores are measured probabilities (docs/PRESENT.md); False: present is an estimate, and a score is the
    region's share. n_left_out: regions that min_present, min_score and max_det left out. raw: with ``free``, the
    model's own text. margin: with ``free``, the least by which a token led the next one.
    """

    phrase: str = ""
    regions: tuple[Region, ...] = ()
    present: float = 0.0
    calibrated: bool = False
    n_left_out: int = 0
    raw: str | None = field(default=None, repr=False)
    margin: float = field(default=0.0, repr=False)

    def _boxes(self) -> list[tuple[Region, str, float]]:
        return [(region, self.phrase, region.score) for region in self.regions]

    def _caption(self) -> tuple[str, list[_draw.Span]]:
        return self.phrase, [(0, len(self.phrase), 0)] if self.regions else []

    def _members(self) -> dict:
        return {"results": [{"phrase": self.phrase, "present": self.present, "calibrated": self.calibrated,
                             "regions": [{**_region_dict(region), "share": region.share}
                                         for region in self.regions]}]}


@dataclass(frozen=True)
class Classification(_Result):
    """Classes by falling score. scored: all of them. n_crops: crops that were looked at; 0 for methods without.

    present: 0 to 1, how likely the best class is right. calibrated: that is a measured probability, which a CLIP with a
    head gives for regions (docs/LABEL.md); else it is the best class's score. none: of a region, it is none of the
    classes.
    """

    scored: tuple[Label, ...] = ()
    n_crops: int = 0
    present: float = 0.0
    calibrated: bool = False
    none: bool = False

    @property
    def best(self) -> Label:
        """The likeliest class."""
        return self.scored[0]

    def _boxes(self) -> list[tuple[Region, str, float]]:
        return []

    def _members(self) -> dict:
        return {"results": [{"label": label.name, "score": label.score, "raw_score": label.raw_score}
                            for label in self.scored], "n_crops": self.n_crops}

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(label.name)}</td><td>{label.score:.1%}</td></tr>"
                       for label in self.scored[:10])
        return super()._repr_html_() + f"<table>{rows}</table>"


@dataclass(frozen=True)
class Labelled(_Result):
    """Regions with the classes that fit each. classifications[i] belongs to regions[i].

    The score of a box is the region's score times the probability of its best class, as in the program's exports.
    Regions that are none of the classes have no box there.
    """

    regions: tuple[Region, ...] = ()
    classifications: tuple[Classification, ...] = ()

    def _boxes(self) -> list[tuple[Region, str, float]]:
        return [(region, found.best.name, region.score * found.best.score)
                for region, found in zip(self.regions, self.classifications) if not found.none]

    def _members(self) -> dict:
        return {"regions": [{**_region_dict(region), "label": None if found.none else found.best.name,
                             "label_score": found.best.score, "raw_score": found.best.raw_score,
                             "present": found.present, "calibrated": found.calibrated}
                            for region, found in zip(self.regions, self.classifications)]}


@dataclass(frozen=True)
class CropShare:
    """What a crop has in a score: weight (all add up to 1), share (all add up to raw_score), and, where classes are
    compared, its part in the lead."""

    box: Box
    weight: float
    share: float
    lead: float


@dataclass(frozen=True)
class TextShare:
    """What a description has in a score, as in CropShare."""

    text: str
    weight: float
    share: float
    lead: float


@dataclass(frozen=True)
class Explanation:
    """What made up the raw score of a class, alone or compared with another one (docs/WCA.md)."""

    label: str
    raw_score: float
    crops: tuple[CropShare, ...]
    texts: tuple[TextShare, ...]
    against: str | None = None
    against_raw_score: float = 0.0
    lead: float = 0.0
    against_texts: tuple[TextShare, ...] = ()


@dataclass(frozen=True)
class Text:
    """A piece of an answer as it comes."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Phrase:
    """A phrase that was tied to regions; it comes after the Text of its last piece. span: characters of all text so
    far; the others as in Grounding."""

    phrase: str
    span: tuple[int, int]
    regions: tuple[Region, ...]
    present: float = 0.0
    calibrated: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a stage ("vision", "prefill", "generate", ...) is: done is 0 to 1."""

    stage: str
    done: float


@dataclass(frozen=True)
class Usage:
    """Tokens of a question: prompt, of these the cached ones that were not computed again, and generated."""

    prompt: int
    cached: int
    generated: int


def to_coco(results: Iterable[_Result], first_id: int = 1) -> dict:
    """One COCO data set (dict) of many results: a picture for each, numbered from first_id.

    ``bbox`` is x, y, width, height in pixels; each annotation has its ``score``. Categories are the labels in the
    order of first use, numbered from 1.

    >>> region = Region((10.0, 20.0, 40.0, 60.0), score=0.5)
    >>> to_coco([Detections((640, 480), regions=(region,))])["annotations"][0]["bbox"]
    [10.0, 20.0, 30.0, 40.0]
    """
    images, annotations = [], []
    numbers: dict[str, int] = {}
    for image_id, result in enumerate(results, first_id):
        images.append({"id": image_id, "file_name": result.file or "", "width": result.size[0],
                       "height": result.size[1]})
        for region, label, score in result._boxes():
            x1, y1, x2, y2 = region.box
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id,
                "category_id": numbers.setdefault(label, len(numbers) + 1), "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "score": score})
    return {"images": images, "annotations": annotations,
            "categories": [{"id": number, "name": name} for name, number in numbers.items()]}
