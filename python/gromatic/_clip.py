"""CLIP: pictures and words in one space, and choosing between classes of your own."""
from __future__ import annotations

import ctypes
import json
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import _abi
from ._batch import answer_each, run_batch
from ._engine import Adapter, Engine, adapter_uses, open_with, string
from ._errors import ArgumentError
from ._image import Image, Picture, as_image
from ._native import (Handle, Owner, box_tuple, boxes_array, check, count, elements, interruptible, lib, make,
                      path_bytes, text, texts, threshold)
from ._request import OnProgress, Request, finish
from ._results import Classification, CropShare, Explanation, Label, Labelled, Region, TextShare

Method = Literal["wca", "wca-released", "clip", "clip-e", "clip-d", "waffle", "cupl"]


@dataclass(frozen=True)
class ClipInfo:
    """What was opened, as in ModelInfo; features: D, the length of a feature; context: tokens of a text (longer ones
    are cut); logit_scale: multiplies scores before the softmax over classes; calibrated: it has a head that says which
    regions are none of the classes."""

    name: str
    path: str
    type: str
    kernels: str
    threads: int
    image_size: int
    features: int
    context: int
    logit_scale: float
    scope: str
    calibrated: bool = False


def _method(name: str) -> int:
    out = ctypes.c_int()
    if not lib.gm_method_named(text(name, "method"), out):
        known = [lib.gm_method_name(i).decode() for i in range(7)]
        raise ArgumentError(f"method: found {name!r}; wanted one of {', '.join(known)}")
    return out.value


def _json(value: Any, what: str) -> bytes | None:
    if value is None:
        return None
    return text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), what)


def _classify_params(image_scale: float | None = None, draws: int | None = None, redraws: int | None = None,
                     seed: int = 0, stop: float = 0.0, top: int | None = None, region_scores: Any = None,
                     limits: Any = None, min_present: float = 0.0) -> Any:
    return make(_abi.gm_classify_params, image_scale=image_scale, draws=count(draws, "draws"),
                redraws=count(redraws, "redraws"), seed=count(seed, "seed", zero="default", limit=2**64), stop=stop,
                top=count(top, "top", limit=2**64), region_scores=region_scores, limits=limits,
                min_present=min_present)


def _classification(pointer: Any, about: dict[str, Any]) -> Classification:
    found = pointer.contents
    return Classification(**about, scored=tuple(
        Label(string(label.name), label.score, label.raw_score, label.class_index)
        for label in elements(lib.gm_label_at, _abi.gm_label, found.n_labels, pointer)), n_crops=found.n_crops,
        present=found.present, calibrated=found.calibrated, none=found.none)


def _take(request: Request, n: int, about: dict[str, Any]) -> list[Classification]:
    results, err = (ctypes.POINTER(_abi.gm_classification) * n)(), _abi.gm_error()
    with request.handle.use() as pointer:
        check(lib.gm_request_take_classifications(pointer, results, n, err), err)
    try:
        return [_classification(found, about) for found in results]
    finally:
        for found in results:
            lib.gm_classification_free(found)


class Classes(Owner):
    """Classes to choose from, made by ``Clip.classes``. They do not change."""

    def __init__(self, handle: Handle, method: str):
        self._handle, self.method = handle, method

    def __len__(self) -> int:
        with self._handle.use() as pointer:
            return lib.gm_classes_count(pointer)

    @property
    def names(self) -> list[str]:
        """In order."""
        with self._handle.use() as pointer:
            return [lib.gm_classes_name(pointer, i).decode() for i in range(lib.gm_classes_count(pointer))]


class View(Owner):
    """A picture, or a part of it, with the crops that are looked at, made by ``Clip.view``. Features are computed when
    they are first needed, and kept. Threads that use it at once wait for each other."""

    def __init__(self, handle: Handle, image: Image):
        self._handle, self.image, self._lock = handle, image, threading.RLock()

    @property
    def crops(self) -> np.ndarray:
        """float32 ``[n, 4]``: the crops on the picture in pixels, in the order drawn."""
        with self._lock, self._handle.use() as pointer:
            n = lib.gm_view_crop_count(pointer)
            box, found = _abi.gm_box(), []
            for i in range(n):
                lib.gm_view_crop_at(pointer, i, box)
                found.append(box_tuple(box))
        return np.array(found, np.float32).reshape(-1, 4)

    def classify(self, classes: Classes, *, timeout: float | None = None, progress: OnProgress | None = None,
                 **params: Any) -> Classification:
        """Scores it against the classes. Keywords: see Clip.classify."""
        values, image = _classify_params(**params), self.image
        about = {"size": image.size, "file": image.file, "picture": image}
        with self._lock, self._handle.use() as view, classes._handle.use() as among:
            request = Request(lambda out, how, err: lib.gm_request_classify(out, view, among, values, how, err),
                              [self._handle, classes._handle], timeout)
            return finish(request, lambda done: _take(done, 1, about)[0], progress)

    def explain(self, classes: Classes, label: str, against: str | None = None, **params: Any) -> Explanation:
        """What made up the raw score of a class; against: compared with another one. Give the params of the classify
        call whose score is to be explained."""
        names, values = classes.names, _classify_params(**params)
        numbers = []
        for name in [label] if against is None else [label, against]:
            if name not in names:
                raise ArgumentError(f"class: found {name!r}; wanted one of the {len(names)} classes")
            numbers.append(names.index(name))
        out = ctypes.POINTER(_abi.gm_explanation)()
        call = lib.gm_explain if against is None else lib.gm_explain_against
        with self._lock, self._handle.use() as view, classes._handle.use() as among:
            interruptible(lambda callbacks, err: call(view, among, *numbers, values, callbacks, out, err))
            try:
                return self._explanation(out, label)
            finally:
                lib.gm_explanation_free(out)

    @staticmethod
    def _explanation(pointer: Any, label: str) -> Explanation:
        found = pointer.contents

        def shares(call: Any, n: int) -> tuple[TextShare, ...]:
            return tuple(TextShare(string(share.text), share.weight, share.share, share.lead)
                         for share in elements(call, _abi.gm_text_share, n, pointer))

        crops = tuple(CropShare(box_tuple(crop.box), crop.weight, crop.share, crop.lead)
                      for crop in elements(lib.gm_crop_share_at, _abi.gm_crop_share, found.n_crops, pointer))
        return Explanation(label, found.raw_score, crops, shares(lib.gm_text_share_at, found.n_texts),
                           string(found.against) if found.against else None, found.against_raw_score, found.lead,
                           shares(lib.gm_against_text_share_at, found.n_against_texts))


class Clip(Owner):
    """A CLIP model.

    path: a GGUF file made by ``gromatic convert``; the name of an embedded model; None: ``clip-mini``, which knows
    drawn emoji only. The other keywords are those of Model. Any number of threads may use it at once.

    >>> with Clip() as clip:
    ...     features = clip.encode_texts(["a photo of a dog.", "a photo of a cat."])
    >>> features.shape, features.dtype
    ((2, 96), dtype('float32'))
    """

    def __init__(self, path: str | None = None, *, engine: Engine | None = None, threads: int | None = None,
                 mmap: bool = True, mlock: bool = False, fast: bool = False, cache: str | None = None,
                 cache_bytes: float | None = None, adapters: Sequence[str | Adapter] = ()):
        uses = adapter_uses(adapters)
        params = make(_abi.gm_clip_params, threads=count(threads, "threads"), no_mmap=not mmap, mlock=mlock,
                      fast=fast, cache=None if cache is None else path_bytes(cache, "cache"),
                      cache_bytes=count(cache_bytes, "cache_bytes", limit=2**64), adapters=uses,
                      n_adapters=len(uses) if uses else 0)
        self._handle = open_with(lib.gm_clip_open, lib.gm_clip_free, "clip", path, params, engine)
        self.info = self._info()

    def _info(self) -> ClipInfo:
        out, err = make(_abi.gm_clip_info), _abi.gm_error()
        with self._handle.use() as pointer:
            check(lib.gm_clip_get_info(pointer, out, err), err)
            return ClipInfo(string(out.name), string(out.path), string(out.type), string(out.kernels), out.threads,
                            out.image_size, out.features, out.context, out.logit_scale, string(out.scope), out.calibrated)

    def __repr__(self) -> str:
        return f"<gromatic.Clip {self.info.name} {self.info.type}>"

    def sha256(self) -> str:
        """Of the model's bytes, in hex, without adapters. Reads the whole file."""
        out = ctypes.create_string_buffer(65)
        with self._handle.use() as pointer:
            interruptible(lambda callbacks, err: lib.gm_clip_sha256(pointer, out, callbacks, err))
        return out.value.decode()

    def encode_texts(self, values: Iterable[str]) -> np.ndarray:
        """float32 ``[n, D]``: a feature of length 1 for each text."""
        array = texts(values, "texts")
        out = np.empty((len(array), self.info.features), np.float32)
        data = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        with self._handle.use() as pointer:
            interruptible(lambda callbacks, err: lib.gm_clip_encode_texts(pointer, array, len(array), data, callbacks,
                                                                          err))
        return out

    def encode_image(self, picture: Picture, boxes: Iterable | None = None) -> np.ndarray:
        """float32 ``[n, D]``: a feature of length 1 for each box (``[n, 4]``, in pixels), each cut out of the picture;
        without boxes ``[1, D]``, of the whole picture."""
        parts = None if boxes is None else boxes_array(boxes)
        n = 1 if parts is None else len(parts)
        out = np.empty((n, self.info.features), np.float32)
        data = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        with self._handle.use() as pointer, _used(picture) as (_, pixels):
            interruptible(lambda callbacks, err: lib.gm_clip_encode_boxes(pointer, pixels, parts, n, data, callbacks,
                                                                          err))
        return out

    def classes(self, names: Iterable[str] | None = None, *, method: Method = "clip",
                descriptions: Mapping[str, Sequence[str]] | str | None = None,
                templates: Sequence[str] | str | None = None,
                descriptors: Mapping[str, Sequence[str]] | str | None = None, words: str | None = None,
                seed: int = 0, text_scale: float | None = None, dedup: float = 0.0) -> Classes:
        """The classes to choose from, encoded once.

        names: in order; None: the keys of descriptions. method (docs/WCA.md) and what it takes: "clip" nothing; "wca",
        "wca-released" and "cupl" descriptions, {class: [description, ...]}; "clip-e" templates, ["a photo of a {}.",
        ...]; "clip-d" descriptors; "waffle" words, one a line. Each may be a str, the content of a JSON file.
        text_scale: descriptions weigh softmax(exp(text_scale) cosine) (2; negative: all the same). dedup: leave out
        descriptions whose cosine with an earlier one is above.
        """
        if method == "wca" and descriptions is None and names is not None:
            names = list(names)
            descriptions = {name: [] for name in names}
        array = None if names is None else texts(names, "names")
        params = make(_abi.gm_classes_params, method=_method(method), names=array, n_names=len(array) if array else 0,
                      descriptions=_json(descriptions, "descriptions"), templates=_json(templates, "templates"),
                      descriptors=_json(descriptors, "descriptors"), words=text(words, "words"),
                      seed=count(seed, "seed", zero="default", limit=2**64), text_scale=text_scale, dedup=dedup)
        out = ctypes.c_void_p()
        with self._handle.use() as pointer:
            interruptible(lambda callbacks, err: lib.gm_classes_create(out, pointer, params, callbacks, err))
            return Classes(Handle(out.value, lib.gm_classes_free, "classes", [self._handle]), method)

    def view(self, picture: Picture, *, method: Method = "clip", part: Any = None, crops: int | None = None,
             alpha: float | None = None, beta: float | None = None, seed: int = 0, dedup: float = 0.0,
             boxes: Iterable | None = None, cache: bool = False) -> View:
        """A picture with its crops. method: whose numbers are the defaults. part: look at this box only. crops: how
        many random squares (100; 0: none); alpha, beta: their sides, as shares of the shorter side. boxes: crops
        instead of random ones. cache: keep the features in the clip's cache."""
        params, keep = _view_params(method, part, crops, alpha, beta, seed, dedup, boxes, cache)
        out, err = ctypes.c_void_p(), _abi.gm_error()
        image, _ = as_image(picture)
        with self._handle.use() as pointer, image._handle.use() as pixels:
            check(lib.gm_view_create(out, pointer, pixels, params, err), err)
            del keep
            return View(Handle(out.value, lib.gm_view_free, "view", [self._handle]), image)

    def classify(self, picture: Picture, classes: Classes | Iterable[str], *, view: dict[str, Any] | None = None,
                 timeout: float | None = None, progress: OnProgress | None = None, **params: Any) -> Classification:
        """Which of the classes fits the picture.

        classes: Classes, or names for the method "clip". view: keywords of Clip.view. params: image_scale (crops weigh
        softmax(exp(image_scale) cosine)), draws, redraws, seed, stop, top (labels returned): docs/WCA.md.

        >>> import numpy as np
        >>> with Clip() as clip:
        ...     found = clip.classify(np.zeros((64, 64, 3), np.uint8), ["koala", "panda"])
        >>> round(sum(label.score for label in found.scored), 3)
        1.0
        """
        with self._among(classes) as among:
            with self.view(picture, **{"method": among.method, **(view or {})}) as seen:
                return seen.classify(among, timeout=timeout, progress=progress, **params)

    @contextmanager
    def _among(self, classes: Classes | Iterable[str]) -> Iterator[Classes]:
        if isinstance(classes, Classes):
            yield classes
        else:
            with self.classes(classes) as made:
                yield made

    def label(self, picture: Picture, regions: Iterable, classes: Classes | Iterable[str], *,
              view: dict[str, Any] | None = None, limits: float | Mapping[str, float] | None = None,
              min_present: float | None = None, timeout: float | None = None, progress: OnProgress | None = None,
              **params: Any) -> Labelled:
        """Names what is in each region of a picture, say those of Model.detect. view: keywords of Clip.view, without
        method, part and boxes. params: as in classify, without stop.

        Which regions are none of the classes: where the CLIP has a head (docs/LABEL.md), those whose `present` is below
        min_present (None: the head's own limit; 0: none of them). limits: instead those whose raw score is below this
        number, or below their class's in a mapping. A region without a score, such as a tuple, counts as sure."""
        listed = [region if isinstance(region, Region) else Region(tuple(float(edge) for edge in region))
                  for region in regions]
        boxes = boxes_array(listed, "regions")
        with self._among(classes) as among, _used(picture) as (image, pixels), self._handle.use() as pointer:
            if not listed:
                return Labelled(image.size, image.file, image)
            values = _classify_params(
                region_scores=(ctypes.c_float * len(listed))(*[region.score for region in listed]),
                limits=_limits(limits, among.names), min_present=threshold(min_present), **params)
            looks, keep = _view_params(**{"method": among.method, **(view or {})})
            about = {"size": image.size, "file": image.file, "picture": None}
            with among._handle.use() as chosen:
                request = Request(lambda out, how, err: lib.gm_request_label(
                    out, pointer, pixels, boxes, len(boxes), chosen, looks, values, how, err),
                    [self._handle, among._handle], timeout)
                found = finish(request, lambda done: _take(done, len(boxes), about), progress)
            del keep
            return Labelled(image.size, image.file, image, tuple(listed), tuple(found))

    def map(self, pictures: Iterable[Picture], classes: Classes | Iterable[str], *, together: int = 4,
            errors: Literal["raise", "return"] = "raise", keep_pictures: bool = False,
            view: dict[str, Any] | None = None, **params: Any) -> Iterator[Any]:
        """Clip.classify of many pictures; keywords as in Model.map."""
        def each() -> Iterator[Any]:
            with self._among(classes) as among:
                def begin(image: Image) -> View:
                    return self.view(image, **{"method": among.method, **(view or {})})
                work = answer_each(begin, lambda seen: seen.classify(among, **params), errors, keep_pictures)
                yield from run_batch(pictures, work, count(together, "together"))
        return each()


def _limits(limits: float | Mapping[str, float] | None, names: Sequence[str]) -> Any:
    if limits is None:
        return None
    if isinstance(limits, Mapping):
        unknown = [name for name in limits if name not in names]
        if unknown:
            raise ArgumentError(f"limits: found {unknown[0]!r}; wanted names of the {len(names)} classes")
        return (ctypes.c_float * len(names))(*[limits.get(name, math.nan) for name in names])
    return (ctypes.c_float * len(names))(*[limits] * len(names))


@contextmanager
def _used(picture: Picture) -> Iterator[tuple[Image, Any]]:
    """The Image and its pointer."""
    image, _ = as_image(picture)
    with image._handle.use() as pointer:
        yield image, pointer


def _view_params(method: str = "clip", part: Any = None, crops: int | None = None, alpha: float | None = None,
                 beta: float | None = None, seed: int = 0, dedup: float = 0.0, boxes: Iterable | None = None,
                 cache: bool = False) -> tuple[Any, Any]:
    """The params, and what must live as long as they do."""
    area = None if part is None else boxes_array([part], "part")
    chosen = None if boxes is None else boxes_array(boxes)
    params = make(_abi.gm_view_params, method=_method(method), part=area, crops=count(crops, "crops", zero="none"),
                  alpha=alpha, beta=beta, seed=count(seed, "seed", zero="default", limit=2**64), dedup=dedup,
                  boxes=chosen, n_boxes=len(chosen) if chosen is not None else 0, cache=cache)
    return params, (area, chosen)
