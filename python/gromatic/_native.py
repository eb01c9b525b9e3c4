"""The shared library: loading it, calling it, and freeing what it made.

Handles count their users, so that one thread may close what another one still uses: it is freed after the last use.
After a fork the library's threads exist in the parent only, so handles made before refuse to work in the child, and are
not freed there.
"""
from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from . import _abi
from ._errors import ArgumentError, ClosedError, ForkError, error_of

FOLDER = os.path.dirname(os.path.abspath(__file__))
# How long the main thread waits at most before it looks for signals (Ctrl-C), in seconds.
SLICE = 0.05

fork_count = 0


def _forked() -> None:
    global fork_count
    fork_count += 1


os.register_at_fork(after_in_child=_forked)


def library_path(name: str) -> str:
    """The shared library of that name ("gromatic", "gromatic_tools"): the package's own. GROMATIC_LIBRARY, the path of
    another libgromatic.so, goes before it; its tools are beside it."""
    other = os.environ.get("GROMATIC_LIBRARY")
    if other:
        return other if name == "gromatic" else os.path.join(os.path.dirname(other), f"lib{name}.so")
    path = os.path.join(FOLDER, "lib", f"lib{name}.so.1")
    if not os.path.exists(path):
        raise ImportError(
            f"found no {path}; wanted the library that a wheel of gromatic has inside. This is a source tree, which "
            "pip cannot build: make a wheel with scripts/wheel.sh, or set GROMATIC_LIBRARY to the libgromatic.so of a "
            "build")
    return path


def _load(name: str, functions: dict) -> ctypes.CDLL:
    path = library_path(name)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"cannot load {path}: {error}") from error
    for function, (result, arguments) in functions.items():
        try:
            entry = getattr(library, function)
        except AttributeError as error:
            raise ImportError(f"found no {function} in {path}; wanted gromatic 1.0 or later of the same version as "
                              "this package") from error
        entry.restype, entry.argtypes = result, arguments
    return library


lib = _load("gromatic", _abi.FUNCTIONS)
_tools: ctypes.CDLL | None = None
_tools_lock = threading.Lock()


def tools() -> ctypes.CDLL:
    """The library that draws, loaded when it is first needed."""
    global _tools
    with _tools_lock:
        if _tools is None:
            _tools = _load("gromatic_tools", _abi.TOOLS)
        return _tools


# ---- arguments ----


def make(kind: Any, **members: Any) -> Any:
    """A struct with its struct_size set; members that are None stay zero."""
    out = kind()
    out.struct_size = ctypes.sizeof(kind)
    for name, value in members.items():
        if value is not None:
            setattr(out, name, value)
    return out


def text(value: str | None, what: str) -> bytes | None:
    """UTF-8 for the library."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ArgumentError(f"{what}: found {type(value).__name__}; wanted a str")
    if "\0" in value:
        raise ArgumentError(f"{what}: found a zero character at {value.index(chr(0))}; wanted text without one")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{what}: {error}; wanted text that UTF-8 can hold") from error


def texts(values: Iterable[str], what: str) -> Any:
    """An array of strings, at least one."""
    if isinstance(values, str):
        raise ArgumentError(f"{what}: found one str; wanted a list of them")
    found = [text(value, what) for value in values]
    if not found:
        raise ArgumentError(f"{what}: found an empty list; wanted at least one")
    return (ctypes.c_char_p * len(found))(*found)


def path_bytes(value: str | os.PathLike, what: str) -> bytes:
    found = os.fsencode(value)
    if b"\0" in found:
        raise ArgumentError(f"{what}: found a zero byte in the name {found!r}; wanted a file's name")
    return found


def count(value: float | None, what: str, zero: str = "wrong", limit: int = _abi.GM_NONE) -> int:
    """A count for the library: None is its default (0), math.inf no limit. 0 is GM_NONE where it means "none"."""
    if value is None:
        return 0
    if value == math.inf:
        return _abi.GM_NONE
    if value == 0 and zero == "none":
        return _abi.GM_NONE
    least = 0 if zero == "default" else 1
    if isinstance(value, bool) or int(value) != value or not least <= value < limit:
        raise ArgumentError(f"{what}: found {value!r}; wanted a whole number from {least} to {limit - 1}")
    return int(value)


def threshold(value: float | None) -> float:
    """A float whose default is 0 in the library; what is not above 0 means "off", which is negative there."""
    return 0.0 if value is None else float(value) if not value <= 0 else -1.0


def boxes_array(boxes: Iterable, what: str = "boxes") -> Any:
    """gm_box[n] of anything with four numbers each: tuples, rows of an array, regions."""
    found = []
    for box in boxes:
        numbers = getattr(box, "box", box)
        try:
            edges = [float(edge) for edge in numbers]
        except TypeError:
            edges = []
        if len(edges) != 4:
            raise ArgumentError(f"{what}: found {box!r}; wanted four numbers x1, y1, x2, y2 for each box")
        found.append(_abi.gm_box(*edges))
    return (_abi.gm_box * len(found))(*found)


def box_tuple(box: Any) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2


# ---- errors ----


def raise_status(status: int, err: Any, answer: Any = None) -> None:
    raise error_of(status, lib.gm_status_name(status).decode(), err.message.decode(errors="replace"), answer)


def check(status: int, err: Any) -> None:
    if status != _abi.GM_OK:
        raise_status(status, err)


def elements(call: Callable, kind: Any, n: int, *before: Any) -> Iterator[Any]:
    """The n elements that an _at function copies; each is the same struct, filled anew."""
    out = make(kind)
    for i in range(n):
        if call(*before, i, ctypes.byref(out)) != _abi.GM_OK:
            raise IndexError(f"{call.__name__}: there is no element {i} of {n}")
        yield out


# ---- handles ----


class Handle:
    """A pointer of the library, which is freed once: after it was closed or dropped, and its last user is done. What
    it was made from (``parents``) lives at least as long."""

    __slots__ = ("_pointer", "_free", "_parents", "_what", "_lock", "_users", "_closed", "_forks")

    def __init__(self, pointer: Any, free: Callable, what: str, parents: Iterable[Handle] = ()):
        self._users, self._closed, self._forks = 0, False, fork_count
        self._lock = threading.RLock()  # a finalizer may run on the thread that has it
        self._what, self._pointer, self._free = what, pointer, free
        self._parents: tuple[Handle, ...] = ()
        held = []
        for parent in parents:
            parent._hold()
            held.append(parent)
        self._parents = tuple(held)

    def _hold(self) -> None:
        with self._lock:
            self._users += 1

    def _release(self) -> None:
        if self._forks != fork_count:
            return
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._finish()

    def _finish(self) -> None:
        self._free(self._pointer)
        for parent in self._parents:
            parent._release()

    def check(self) -> None:
        if self._forks != fork_count:
            raise ForkError(f"this {self._what} was made before the process was forked, and its threads are in the "
                            "parent only; make it in the child (multiprocessing: set_start_method(\"spawn\"))")
        if self._closed:
            raise ClosedError(f"this {self._what} was closed; wanted an open one")

    @contextmanager
    def use(self) -> Iterator[Any]:
        """The pointer, which is not freed meanwhile."""
        self.check()
        with self._lock:
            self.check()
            self._users += 1
        try:
            yield self._pointer
        finally:
            self._release()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        if self._forks != fork_count:
            return
        with self._lock:
            last = not self._closed and self._users == 0
            self._closed = True
        if last:
            self._finish()

    def __del__(self) -> None:
        # At the interpreter's end the system takes everything back, and modules may be gone.
        if sys is None or sys.is_finalizing() or not hasattr(self, "_parents"):
            return
        self.close()


class Owner:
    """What all objects with a handle have: close, and with."""

    _handle: Handle

    def close(self) -> None:
        """Gives the memory back, as soon as nobody uses the object any more. Closing it again does nothing."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.closed

    def __enter__(self) -> Any:
        self._handle.check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: it belongs to this process. Make it where it is "
                        "used, and send pictures and results")


# ---- long calls ----


def interruptible(invoke: Callable[[Any, Any], int], abandon: Callable[[], None] | None = None) -> None:
    """Calls invoke(callbacks, err). On the main thread Ctrl-C ends it: the call runs on a thread of its own meanwhile,
    since Python runs signal handlers on the main thread only, and never inside a C call.

    abandon: for a call that cannot be cancelled; frees what it made after the caller has gone.
    """
    err = _abi.gm_error()
    if threading.current_thread() is not threading.main_thread():
        check(invoke(None, ctypes.byref(err)), err)
        return
    stop = False
    callbacks = make(_abi.gm_callbacks)
    callbacks.cancelled = type(callbacks.cancelled)(lambda _user: stop)
    done = threading.Event()
    status = [0]
    raised: list[BaseException] = []

    def work() -> None:
        try:
            status[0] = invoke(ctypes.byref(callbacks), ctypes.byref(err))
            if stop and abandon and status[0] == _abi.GM_OK:
                abandon()
        except BaseException as error:  # such as ctypes.ArgumentError: it is raised on the caller's thread
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="gromatic call", daemon=True).start()
    try:
        while not done.wait(SLICE):
            pass
    except BaseException:
        stop = True
        if not abandon:
            done.wait()
        raise
    if raised:
        raise raised[0]
    check(status[0], err)
