"""Requests: work that runs beside other work, and streams of what comes of it.

Everything that can take long is a request, which a thread of the library looks after. The caller's thread waits in
short slices, so that Ctrl-C is seen at once. No function of Python is called on the library's threads.
"""
from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, Generic, TypeVar, Union

from . import _abi
from ._errors import ArgumentError, CancelledError, GromaticError
from ._native import SLICE, Handle, Owner, check, elements, lib, make
from ._results import Phrase, Progress, Region, Text, Usage

T = TypeVar("T")
Event = Union[Text, Phrase, Progress]
OnProgress = Callable[[str, float], None]
FOREVER = -1.0
worker = threading.local()  # .stop: the Event that ends the waits of this thread, if it works for a batch


def region_of(region: Any) -> Region:
    box = region.box
    return Region((box.x1, box.y1, box.x2, box.y2), region.score, region.index, region.share)


class Request:
    """A gm_request. begin(out, params, err) starts it; holds: what must live until it ends."""

    def __init__(self, begin: Callable[[Any, Any, Any], int], holds: Iterable[Handle], timeout: float | None):
        if timeout is not None and not timeout > 0:
            raise ArgumentError(f"timeout: found {timeout!r}; wanted seconds above 0, or None for no limit")
        params = make(_abi.gm_request_params, timeout=timeout)
        out, err = ctypes.c_void_p(), _abi.gm_error()
        check(begin(out, params, err), err)
        self.handle = Handle(out.value, lib.gm_request_free, "request", holds)

    def wait(self, progress: OnProgress | None = None) -> None:
        """Until it is done. Whatever interrupts the wait cancels it."""
        with self.handle.use() as pointer:
            try:
                if progress:
                    self._report(pointer, progress)
                stop = getattr(worker, "stop", None)
                while not lib.gm_request_wait(pointer, SLICE):
                    if stop and stop.is_set():
                        raise CancelledError("the batch that this belongs to was ended")
            except BaseException:
                lib.gm_request_cancel(pointer)
                raise

    @staticmethod
    def _report(pointer: Any, progress: OnProgress) -> None:
        event = make(_abi.gm_event)
        while True:
            status = lib.gm_request_next_event(pointer, SLICE, event)
            if status == _abi.GM_ERR_TIMEOUT:
                continue
            if status != _abi.GM_OK or event.type == _abi.GM_EVENT_DONE:
                return
            if event.type == _abi.GM_EVENT_PROGRESS:
                progress(event.stage.decode(), event.done)

    def cancel(self) -> None:
        if not self.handle.closed:
            with self.handle.use() as pointer:
                lib.gm_request_cancel(pointer)

    def usage(self) -> Usage:
        out = make(_abi.gm_usage)
        with self.handle.use() as pointer:
            lib.gm_request_usage(pointer, out)
        return Usage(out.prompt, out.cached, out.generated)

    def close(self) -> None:
        self.handle.close()


def finish(request: Request, take: Callable[[Request], T], progress: OnProgress | None = None) -> T:
    """The outcome of a request, waited for; the request is freed."""
    try:
        request.wait(progress)
        return take(request)
    finally:
        request.close()


class _Events:
    """The events of a request. A thread may read them after the stream itself was dropped."""

    def __init__(self, handle: Handle, with_progress: bool):
        self.handle, self.with_progress, self.said = handle, with_progress, b""

    def convert(self, event: Any) -> Event | None:
        if event.type == _abi.GM_EVENT_TEXT:
            piece = ctypes.string_at(event.text, event.length) if event.length else b""
            self.said += piece
            return Text(piece.decode(errors="replace"))
        if event.type == _abi.GM_EVENT_PHRASE:
            span = tuple(len(self.said[:at].decode(errors="replace")) for at in (event.span_begin, event.span_end))
            regions = tuple(region_of(region) for region in
                            elements(lib.gm_event_region_at, _abi.gm_region, event.n_regions, event))
            return Phrase(event.text.decode(errors="replace"), (span[0], span[1]), regions,
                          event.present, event.calibrated)
        if event.type == _abi.GM_EVENT_PROGRESS and self.with_progress:
            return Progress(event.stage.decode(), event.done)
        return None

    def next(self, pointer: Any, seconds: float) -> tuple[bool, Event | None]:
        """Whether that was the end; an event, or None where there was none to show."""
        event = make(_abi.gm_event)
        status = lib.gm_request_next_event(pointer, seconds, event)
        if status == _abi.GM_ERR_TIMEOUT:
            return False, None
        if status != _abi.GM_OK or event.type == _abi.GM_EVENT_DONE:
            return True, None
        return False, self.convert(event)


class Stream(Owner, Generic[T]):
    """An answer as it comes: an iterator, and an asynchronous iterator, of Text, Phrase and (if asked for) Progress.

    After the last event, or without fetching any, ``result()`` is the whole answer; ``await stream`` is the same for
    asyncio. A stream that ends badly raises, with what was said so far in the error's ``answer``. Leaving its ``with``
    block, closing or dropping it cancels what still runs. It belongs to one thread, or one task, at a time; ``cancel``
    may be called from any thread.
    """

    def __init__(self, request: Request, take: Callable[[Request], T], progress: bool):
        self._request, self._take = request, take
        self._handle = request.handle
        self._events = _Events(request.handle, progress)
        self._outcome: tuple[T | None, BaseException | None] | None = None
        self._queue: asyncio.Queue | None = None
        self._last_usage = Usage(0, 0, 0)

    def _end(self) -> T:
        """Takes the outcome once; returns or raises it each time."""
        if self._outcome is None:
            try:
                self._last_usage = self._request.usage()
                self._outcome = self._take(self._request), None
            except GromaticError as error:
                self._outcome = None, error
            self._request.close()
        result, error = self._outcome
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if self._outcome is None:
            with self._handle.use() as pointer:
                try:
                    end, event = False, None
                    while not end and event is None:
                        end, event = self._events.next(pointer, SLICE)
                except BaseException:
                    lib.gm_request_cancel(pointer)
                    raise
            if event is not None:
                return event
        self._end()
        raise StopIteration

    def result(self) -> T:
        """The whole answer; waits for it."""
        if self._outcome is None:
            self._request.wait()
        return self._end()

    def cancel(self) -> None:
        """Asks it to end, from any thread. Its result is CancelledError then, unless it was finished."""
        self._request.cancel()

    @property
    def usage(self) -> Usage:
        """Tokens so far."""
        return self._last_usage if self._outcome is not None else self._request.usage()

    # ---- asyncio: a thread waits for each event and hands it to the loop ----

    @staticmethod
    def _pump(events: _Events, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue) -> None:
        try:
            with events.handle.use() as pointer:
                end = False
                while not end:
                    end, event = events.next(pointer, FOREVER)
                    if event is not None or end:
                        try:
                            loop.call_soon_threadsafe(queue.put_nowait, event)
                        except RuntimeError:  # the loop was closed
                            lib.gm_request_cancel(pointer)
                            return
        except GromaticError as error:  # the stream was closed before the thread began
            loop.call_soon_threadsafe(queue.put_nowait, error)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._outcome is None:
            if self._queue is None:
                self._queue = asyncio.Queue()
                threading.Thread(target=self._pump, daemon=True, name="gromatic stream",
                                 args=(self._events, asyncio.get_running_loop(), self._queue)).start()
            try:
                event = await self._queue.get()
            except BaseException:
                self.cancel()
                raise
            if isinstance(event, BaseException):
                raise event
            if event is not None:
                return event
        self._end()
        raise StopAsyncIteration

    async def _all(self) -> T:
        async for _ in self:
            pass
        return self._end()

    def __await__(self) -> Generator[Any, None, T]:
        return self._all().__await__()

    async def __aenter__(self) -> Stream[T]:
        self._handle.check()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancels it if it still runs. Closing it again does nothing."""
        if not self._handle.closed:
            self._request.cancel()
        self._request.close()

    def __del__(self) -> None:
        # Does not wait. At the interpreter's end modules may be gone.
        if sys is not None and not sys.is_finalizing() and hasattr(self, "_last_usage"):
            try:
                self._request.cancel()
            except GromaticError:  # closed meanwhile, or in a forked child
                pass
