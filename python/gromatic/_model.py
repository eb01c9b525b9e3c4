"""Groma: models, scenes and conversations."""
from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from . import _abi
from ._batch import answer_each, run_batch
from ._engine import Adapter, Engine, adapter_uses, open_with, string
from ._errors import ArgumentError
from ._image import Image, Picture, as_image
from ._native import (Handle, Owner, boxes_array, check, count, elements, interruptible, lib, make, path_bytes,
                      raise_status, text, texts, threshold)
from ._request import OnProgress, Request, Stream, finish, region_of
from ._results import Answer, Detections, Grounding, GroundResult, Region
if TYPE_CHECKING:
    from ._clip import Clip

SIDE_BY_SIDE = 16  # questions of one call that are asked at once; so many are decoded as one batch


@dataclass(frozen=True)
class ModelInfo:
    """What was opened: name, path as given, most used tensor type, instruction set (kernels), threads, image_size (a
    picture is seen as image_size x image_size), max_regions, context (positions), and scope: what an embedded model was
    trained on (it takes anything else for one of those), "" where it is not known. calibrated: it has a head that says
    whether a thing is there (docs/PRESENT.md); head_clip: the name of the CLIP that the head looks with, if ``ground``
    is given it, or ""."""

    name: str
    path: str
    type: str
    kernels: str
    threads: int
    image_size: int
    max_regions: int
    context: int
    scope: str
    head_clip: str
    calibrated: bool


class _Answers:
    """How to take an answer about that picture from a request."""

    def __init__(self, image: Image):
        self.about: dict[str, Any] = {"size": image.size, "file": image.file, "picture": image}

    def answer(self, pointer: Any) -> Answer:
        found = pointer.contents
        said = found.text
        groundings = []
        for i, grounding in enumerate(elements(lib.gm_answer_grounding_at, _abi.gm_grounding, found.n_groundings,
                                               pointer)):
            begin, end = (len(said[:at].decode(errors="replace"))
                          for at in (grounding.span_begin, grounding.span_end))
            regions = tuple(region_of(region) for region in elements(
                lib.gm_answer_region_at, _abi.gm_region, grounding.n_regions, pointer, i))
            groundings.append(Grounding(string(grounding.phrase), (begin, end), regions,
                                        grounding.present, grounding.calibrated))
        return Answer(**self.about, text=said.decode(errors="replace"), groundings=tuple(groundings),
                      raw=string(found.raw), ids=tuple(found.ids[:found.n_ids]), complete=found.complete)

    def take(self, request: Request) -> Answer:
        out, err = ctypes.POINTER(_abi.gm_answer)(), _abi.gm_error()
        with request.handle.use() as pointer:
            status = lib.gm_request_take_answer(pointer, out, err)
        try:
            found = self.answer(out) if out else None
        finally:
            lib.gm_answer_free(out)
        if status != _abi.GM_OK:
            raise_status(status, err, found)
        assert found is not None
        return found


def _ask_params(boxes: Any = (), max_tokens: float | None = None, temperature: float = 0.0, top_k: int | None = None,
                top_p: float | None = None, seed: int = 0, grounding: bool | None = None,
                verbatim: bool = False) -> Any:
    referred = boxes_array(boxes)
    return make(_abi.gm_ask_params, max_tokens=count(max_tokens, "max_tokens"), temperature=temperature,
                top_k=count(top_k, "top_k", zero="default"), top_p=top_p,
                seed=count(seed, "seed", zero="default", limit=2**64), boxes=referred,
                n_boxes=len(referred), grounding=grounding is True, no_grounding=grounding is False,
                verbatim=verbatim)


class Scene(Owner):
    """A picture as one model sees it: made once by ``Model.scene``, then asked.

    Any number of threads may ask at once; what they ask is computed together. Keywords of the questions:

    - max_tokens: the longest answer; None: until it ends by itself. temperature: 0 is greedy, the same answer each
      time; otherwise top_k, top_p and seed apply.
    - boxes: boxes that the question refers to, in pixels of the upright picture; ``{1}`` in it is the first one.
    - grounding: True asks for regions in the answer, False never does; None: unless there are boxes.
    - timeout: seconds until DeadlineError, whose ``answer`` has what was said.
    """

    def __init__(self, handle: Handle, image: Image):
        self._handle, self.image = handle, image

    def __repr__(self) -> str:
        return f"<gromatic.Scene of {self.image!r}>"

    @property
    def regions(self) -> tuple[Region, ...]:
        """The chosen regions, which are of no class, in falling score."""
        with self._handle.use() as pointer:
            n = lib.gm_scene_region_count(pointer)
            return tuple(region_of(region) for region in
                         elements(lib.gm_scene_region_at, _abi.gm_region, n, pointer))

    def detect(self) -> Detections:
        """The regions with the picture, to be drawn or exported."""
        image = self.image
        return Detections(image.size, image.file, image, self.regions)

    @property
    def unlikeness(self) -> float:
        """How unlike the picture is to those that the model was trained on: above 1, do not rely on the answers. 0
        where the model's scope is not known."""
        with self._handle.use() as pointer:
            return lib.gm_scene_unlikeness(pointer)

    @property
    def memory(self) -> int:
        """Bytes that it takes now."""
        with self._handle.use() as pointer:
            return lib.gm_scene_bytes(pointer)

    @property
    def timings(self) -> dict[str, float]:
        """Seconds by stage so far."""
        found: dict[str, float] = {}
        timing = make(_abi.gm_timing)
        with self._handle.use() as pointer:
            while lib.gm_scene_timing_at(pointer, len(found), timing) == _abi.GM_OK:
                found[timing.stage.decode()] = timing.seconds
        return found

    def _begin(self, call: Any, arguments: Sequence[Any], timeout: float | None,
               holds: Sequence[Handle] = ()) -> Request:
        with self._handle.use() as pointer:
            return Request(lambda out, params, err: call(out, pointer, *arguments, params, err),
                           [self._handle, *holds], timeout)

    def _answer(self, call: Any, arguments: Sequence[Any], timeout: float | None,
                progress: OnProgress | None) -> Answer:
        return finish(self._begin(call, arguments, timeout), _Answers(self.image).take, progress)

    def _stream(self, call: Any, arguments: Sequence[Any], timeout: float | None, progress: bool) -> Stream[Answer]:
        return Stream(self._begin(call, arguments, timeout), _Answers(self.image).take, progress)

    def caption(self, *, timeout: float | None = None, progress: OnProgress | None = None, **ask: Any) -> Answer:
        """Describes the picture; each phrase is tied to regions. Keywords: see Scene."""
        return self._answer(lib.gm_request_caption, [_ask_params(**ask)], timeout, progress)

    def stream_caption(self, *, timeout: float | None = None, progress: bool = False, **ask: Any) -> Stream[Answer]:
        """The same as it comes. progress: Progress events too."""
        return self._stream(lib.gm_request_caption, [_ask_params(**ask)], timeout, progress)

    def ask(self, question: str, *, timeout: float | None = None, progress: OnProgress | None = None,
            **ask: Any) -> Answer:
        """Answers a question in your own words. Keywords: see Scene."""
        arguments = [text(question, "question"), _ask_params(**ask)]
        return self._answer(lib.gm_request_ask, arguments, timeout, progress)

    def stream_ask(self, question: str, *, timeout: float | None = None, progress: bool = False,
                   **ask: Any) -> Stream[Answer]:
        """The same as it comes."""
        return self._stream(lib.gm_request_ask, [text(question, "question"), _ask_params(**ask)], timeout, progress)

    def ask_many(self, questions: Iterable[str], *, timeout: float | None = None, **ask: Any) -> list[Answer]:
        """Answers questions side by side, each as if it were asked alone."""
        return self._side_by_side([(lib.gm_request_ask, [text(question, "question"), _ask_params(**ask)])
                                   for question in questions], timeout)

    def describe(self, boxes: Iterable, *, long_form: bool = False, timeout: float | None = None,
                 **ask: Any) -> list[Answer]:
        """Says what is in each box: an answer for each. boxes: ``[n, 4]`` x1, y1, x2, y2 in pixels, or regions.
        long_form asks for details."""
        return self._side_by_side([(lib.gm_request_describe, [box, long_form, _ask_params(**ask)])
                                   for box in boxes_array(boxes)], timeout)

    def _side_by_side(self, questions: Sequence[tuple[Any, Sequence[Any]]], timeout: float | None) -> list[Answer]:
        with self._handle.use():
            return list(run_batch(questions, lambda question: self._answer(*question, timeout, None), SIDE_BY_SIDE))

    @overload
    def ground(self, phrases: str, **options: Any) -> GroundResult: ...

    @overload
    def ground(self, phrases: Iterable[str], **options: Any) -> list[GroundResult]: ...

    def ground(self, phrases: Any, *, all: bool = False, free: bool = False, max_det: float | None = None,
               min_score: float = 0.0, min_present: float | None = None, clip: Clip | None = None,
               timeout: float | None = None, progress: OnProgress | None = None) -> Any:
        """Finds the regions of phrases: of one str a GroundResult, of a list one for each, computed together.

        all: every instance, not only the best. free: the model answers freely, as upstream. max_det: regions for a
        phrase (5; with ``all`` no limit). min_score: regions below it are left out. min_present: a phrase whose
        ``present`` is lower has no regions (0.5; 0: off), where the model is calibrated. clip: what its head may look
        at besides (docs/PRESENT.md).
        """
        single = isinstance(phrases, str)
        listed = [phrases] if single else list(phrases)
        array = texts(listed, "phrases")
        params = make(_abi.gm_ground_params, all=all, free=free, max_det=count(max_det, "max_det"),
                      min_score=min_score, min_present=threshold(min_present))
        with ExitStack() as stack:
            looks = [] if clip is None else [clip._handle, self.image._handle]
            if looks:
                params.clip, params.image = (stack.enter_context(handle.use()) for handle in looks)
            request = self._begin(lib.gm_request_ground, [array, len(listed), params], timeout, looks)
        found = finish(request, lambda done: self._take_ground(done, listed), progress)
        return found[0] if single else found

    def _take_ground(self, request: Request, phrases: Sequence[str]) -> list[GroundResult]:
        results = (ctypes.POINTER(_abi.gm_ground_result) * len(phrases))()
        err = _abi.gm_error()
        with request.handle.use() as pointer:
            check(lib.gm_request_take_ground_results(pointer, results, len(phrases), err), err)
        try:
            return [self._ground_result(phrase, found) for phrase, found in zip(phrases, results)]
        finally:
            for found in results:
                lib.gm_ground_result_free(found)

    def _ground_result(self, phrase: str, pointer: Any) -> GroundResult:
        found, image = pointer.contents, self.image
        regions = tuple(region_of(region) for region in
                        elements(lib.gm_ground_region_at, _abi.gm_region, found.n_regions, pointer))
        return GroundResult(image.size, image.file, image, phrase, regions, found.present, found.calibrated,
                            found.n_left_out, string(found.raw) if found.raw else None, found.margin)

    def chat(self) -> Chat:
        """A conversation about the picture, which keeps its turns."""
        out, err = ctypes.c_void_p(), _abi.gm_error()
        with self._handle.use() as pointer:
            check(lib.gm_chat_create(out, pointer, err), err)
            return Chat(Handle(out.value, lib.gm_chat_free, "chat", [self._handle]), self.image)

    def _repr_html_(self) -> str:
        return self.detect()._repr_html_()


class Chat(Owner):
    """A conversation about a scene. One question at a time: a second thread waits for the first one's answer."""

    def __init__(self, handle: Handle, image: Image):
        self._handle, self.image, self._lock = handle, image, threading.Lock()

    def _begin(self, question: str, timeout: float | None, ask: dict[str, Any], begin: Any = lib.gm_request_chat,
               *given: Any) -> Request:
        arguments = text(question, "question"), _ask_params(**ask), *given
        with self._handle.use() as pointer:
            return Request(lambda out, params, err: begin(out, pointer, *arguments, params, err),
                           [self._handle], timeout)

    def ask(self, question: str, *, timeout: float | None = None, progress: OnProgress | None = None,
            **ask: Any) -> Answer:
        """The next turn. Keywords: see Scene. An answer that was cut stays in the conversation."""
        with self._lock:
            return finish(self._begin(question, timeout, ask), _Answers(self.image).take, progress)

    def give(self, question: str, answer: Answer | str, *, timeout: float | None = None,
             progress: OnProgress | None = None, **ask: Any) -> Answer:
        """A turn whose answer is given: one of an earlier conversation about this scene, with its regions, or plain
        words. What follows is as if the model had said it. Keywords: see Scene; those of sampling have no effect."""
        given = make(_abi.gm_given, verbatim=isinstance(answer, Answer),
                     text=text(answer.raw if isinstance(answer, Answer) else answer, "answer"))
        with self._lock:
            request = self._begin(question, timeout, ask, lib.gm_request_give, given)
            return finish(request, _Answers(self.image).take, progress)

    def stream_ask(self, question: str, *, timeout: float | None = None, progress: bool = False,
                   **ask: Any) -> Stream[Answer]:
        """The same as it comes. Until the stream has ended, another turn is ArgumentError."""
        with self._lock:
            return Stream(self._begin(question, timeout, ask), _Answers(self.image).take, progress)


class Model(Owner):
    """A Groma model.

    path: a GGUF file made by ``gromatic convert``; the name of an embedded model; None: ``groma-mini``, which knows
    drawn emoji only. engine: threads and memory to share with other models; None: an engine of its own with this many
    threads. mmap: map the file (True) or read it into memory. mlock: pin it there. context: positions that prompt and
    answer may have together. cache_type_k, cache_type_v: "f32", "f16" or "q8_0". fast: round where that is faster
    (docs/SPEED-LOG.md). cache: a folder that keeps what was computed of pictures between runs, up to cache_bytes.
    adapters: paths or Adapters.

    Any number of threads may use it at once. Closing it gives its memory back when its scenes are closed too.

    >>> with Model() as model:
    ...     model.info.image_size
    224
    """

    def __init__(self, path: str | None = None, *, engine: Engine | None = None, threads: int | None = None,
                 mmap: bool = True, mlock: bool = False, context: int | None = None, cache_type_k: str | None = None,
                 cache_type_v: str | None = None, fast: bool = False, cache: str | None = None,
                 cache_bytes: float | None = None, adapters: Sequence[str | Adapter] = ()):
        uses = adapter_uses(adapters)
        params = make(_abi.gm_model_params, threads=count(threads, "threads"), no_mmap=not mmap, mlock=mlock,
                      context=count(context, "context"), cache_type_k=text(cache_type_k, "cache_type_k"),
                      cache_type_v=text(cache_type_v, "cache_type_v"), fast=fast,
                      cache=None if cache is None else path_bytes(cache, "cache"),
                      cache_bytes=count(cache_bytes, "cache_bytes", limit=2**64), adapters=uses,
                      n_adapters=len(uses) if uses else 0)
        self._handle = open_with(lib.gm_model_open, lib.gm_model_free, "model", path, params, engine)
        self.info = self._info()

    def _info(self) -> ModelInfo:
        out, err = make(_abi.gm_model_info), _abi.gm_error()
        with self._handle.use() as pointer:
            check(lib.gm_model_get_info(pointer, out, err), err)
            return ModelInfo(string(out.name), string(out.path), string(out.type), string(out.kernels), out.threads,
                             out.image_size, out.max_regions, out.context, string(out.scope), string(out.head_clip),
                             out.calibrated)

    def __repr__(self) -> str:
        return f"<gromatic.Model {self.info.name} {self.info.type}>"

    def sha256(self) -> str:
        """Of the model's bytes, in hex, without adapters. Reads the whole file."""
        out = ctypes.create_string_buffer(65)
        with self._handle.use() as pointer:
            interruptible(lambda callbacks, err: lib.gm_model_sha256(pointer, out, callbacks, err))
        return out.value.decode()

    def scene(self, picture: Picture, *, box_score_thres: float | None = None, nms_thres: float | None = None,
              max_regions: int | None = None, regions: Iterable | None = None,
              region_scores: Sequence[float] | None = None, append_boxes: bool = False, shuffle_seed: int = 0,
              timeout: float | None = None, progress: OnProgress | None = None) -> Scene:
        """Encodes a picture (see Image) and chooses its regions.

        box_score_thres: the least score of a region (the model's own: 0.15; 0: none). nms_thres: of two boxes that
        overlap above this IoU the better stays (0.6; 0 or less: all stay). max_regions: the best so many (100).
        regions: ``[n, 4]`` candidates instead of the proposer's, with region_scores. progress: called with stage and
        done (0 to 1) on this thread.
        """
        image, own = as_image(picture)
        try:
            return self._scene(image, timeout, progress, self._scene_params(
                box_score_thres, nms_thres, max_regions, regions, region_scores, append_boxes, shuffle_seed))
        except BaseException:
            if own:
                image.close()
            raise

    @staticmethod
    def _scene_params(box_score_thres: float | None = None, nms_thres: float | None = None,
                      max_regions: int | None = None, regions: Iterable | None = None,
                      region_scores: Sequence[float] | None = None, append_boxes: bool = False,
                      shuffle_seed: int = 0) -> Any:
        candidates = None if regions is None else boxes_array(regions, "regions")
        scores = None
        if region_scores is not None:
            scores = (ctypes.c_float * len(region_scores))(*region_scores)
            if candidates is None or len(scores) != len(candidates):
                raise ArgumentError(f"region_scores: found {len(scores)}; wanted one for each of the "
                               f"{0 if candidates is None else len(candidates)} regions")
        return make(_abi.gm_scene_params, box_score_thres=threshold(box_score_thres), nms_thres=threshold(nms_thres),
                    max_regions=count(max_regions, "max_regions"), regions=candidates, region_scores=scores,
                    n_regions=len(candidates) if candidates is not None else 0, append_boxes=append_boxes,
                    shuffle_seed=count(shuffle_seed, "shuffle_seed", zero="default", limit=2**64))

    def _scene(self, image: Image, timeout: float | None, progress: OnProgress | None, params: Any) -> Scene:
        with self._handle.use() as model, image._handle.use() as pixels:
            request = Request(lambda out, how, err: lib.gm_request_scene(out, model, pixels, params, how, err),
                              [self._handle], timeout)
            return finish(request, lambda done: self._take_scene(done, image), progress)

    def _take_scene(self, request: Request, image: Image) -> Scene:
        out, err = ctypes.c_void_p(), _abi.gm_error()
        with request.handle.use() as pointer:
            check(lib.gm_request_take_scene(pointer, out, err), err)
        return Scene(Handle(out.value, lib.gm_scene_free, "scene", [self._handle]), image)

    @contextmanager
    def _once(self, picture: Picture, scene: dict[str, Any] | None) -> Iterator[Scene]:
        with self.scene(picture, **(scene or {})) as made:
            yield made

    def detect(self, picture: Picture, **scene: Any) -> Detections:
        """Every region that holds some thing, of one picture. Keywords: see Model.scene."""
        with self.scene(picture, **scene) as made:
            return made.detect()

    def caption(self, picture: Picture, *, scene: dict[str, Any] | None = None, **ask: Any) -> Answer:
        """Describes one picture. scene: keywords of Model.scene; the others: see Scene.

        >>> import numpy as np
        >>> with Model() as model:
        ...     answer = model.caption(np.zeros((100, 200, 3), np.uint8), max_tokens=1)
        >>> answer.size, answer.complete
        ((200, 100), False)
        """
        with self._once(picture, scene) as made:
            return made.caption(**ask)

    def ask(self, picture: Picture, question: str, *, scene: dict[str, Any] | None = None, **ask: Any) -> Answer:
        """Answers one question about one picture."""
        with self._once(picture, scene) as made:
            return made.ask(question, **ask)

    def ground(self, picture: Picture, phrases: Any, *, scene: dict[str, Any] | None = None, **options: Any) -> Any:
        """Finds phrases in one picture: see Scene.ground."""
        with self._once(picture, scene) as made:
            return made.ground(phrases, **options)

    def describe(self, picture: Picture, boxes: Iterable, *, scene: dict[str, Any] | None = None,
                 **ask: Any) -> list[Answer]:
        """Says what is in each box of one picture."""
        with self._once(picture, scene) as made:
            return made.describe(boxes, **ask)

    def map(self, pictures: Iterable[Picture], what: Literal["detect", "caption", "ground", "ask"] = "caption", *,
            together: int = 8, errors: Literal["raise", "return"] = "raise", keep_pictures: bool = False,
            phrases: Any = None, question: str = "", scene: dict[str, Any] | None = None,
            **options: Any) -> Iterator[Any]:
        """The same for many pictures, up to ``together`` of them side by side: an iterator of the results of
        Model.detect, caption, ground (phrases) or ask (question), in the order of the pictures, which may be any
        iterable and are read as they are needed.

        Answers that are generated side by side share the reading of the weights, so that 8 captions take much less
        than 8 times as long as one. errors: "return" puts the GromaticError of a picture in the place of its result.
        keep_pictures: results have their picture, which takes memory.
        """
        asks = {"detect": lambda made: made.detect(), "caption": lambda made: made.caption(**options),
                "ground": lambda made: made.ground(phrases, **options),
                "ask": lambda made: made.ask(question, **options)}
        if what not in asks:
            raise ArgumentError(f"what: found {what!r}; wanted one of {', '.join(asks)}")
        return run_batch(pictures, answer_each(lambda picture: self._once(picture, scene), asks[what], errors,
                                               keep_pictures), count(together, "together"))
