"""Many questions side by side: each on a thread of its own, which only waits while the engine works."""
from __future__ import annotations

import concurrent.futures
import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, TypeVar

from . import _request
from ._errors import ArgumentError, GromaticError
from ._image import as_image

Item = TypeVar("Item")
Found = TypeVar("Found")


def run_batch(items: Iterable[Item], work: Callable[[Item], Found], together: int) -> Iterator[Found]:
    """work(item) for each item, up to `together` at once; results in the order of the items, which are taken as they
    are needed. Leaving the iterator early, by Ctrl-C too, cancels what runs."""
    stop = Event()

    def task(item: Item) -> Found:
        _request.worker.stop = stop
        return work(item)

    pool = concurrent.futures.ThreadPoolExecutor(together, thread_name_prefix="gromatic batch")
    pending: deque[concurrent.futures.Future] = deque()
    try:
        for item in items:
            pending.append(pool.submit(task, item))
            if len(pending) == together:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def answer_each(begin: Callable[[Any], AbstractContextManager], ask: Callable[[Any], Any], errors: str,
                keep_pictures: bool) -> Callable[[Any], Any]:
    """A function of a picture for run_batch: asks what begin(image) makes. A picture that was decoded here is freed
    as soon as it is answered, unless it is kept."""
    if errors not in ("raise", "return"):
        raise ArgumentError(f"errors: found {errors!r}; wanted \"raise\" or \"return\"")

    def without(found: Any) -> Any:
        if isinstance(found, list):
            return [without(one) for one in found]
        return dataclasses.replace(found, picture=None)

    def answer(picture: Any) -> Any:
        try:
            image, own = as_image(picture)
            try:
                with begin(image) as made:
                    found = ask(made)
                return found if keep_pictures else without(found)
            finally:
                if own and not keep_pictures:
                    image.close()
        except GromaticError as error:
            if errors == "raise":
                raise
            return error

    return answer
