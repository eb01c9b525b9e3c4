"""The engine: threads, working memory and queue."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from . import _abi
from ._errors import ArgumentError
from ._native import Handle, Owner, check, count, interruptible, lib, make, path_bytes


@dataclass(frozen=True)
class EngineInfo:
    """The state of an engine.

    waiting, running: requests and calls, now. memory: the limit in bytes (2**64 - 1: none). memory_used: by scenes and
    answers. scenes: in memory, those included that nobody holds.
    """

    threads: int
    queue: int
    waiting: int
    running: int
    memory: int
    memory_used: int
    scenes: int


class Engine(Owner):
    """Threads, working memory and queue, which any number of models share.

    threads: default the CPUs that this process may use. queue: requests that may wait or run at once (64), beyond which
    one more is BusyError; math.inf: no limit. memory: bytes that scenes and answers may take, without weights (half of
    what the process may use). kept_scenes: how many scenes stay in memory after they are closed, for the next one of
    the same picture (as many as memory allows; 0: none).

    >>> with Engine(threads=1) as engine:
    ...     engine.info().threads
    1
    """

    def __init__(self, *, threads: int | None = None, queue: float | None = None, memory: float | None = None,
                 kept_scenes: int | None = None):
        params = make(_abi.gm_engine_params, threads=count(threads, "threads"), queue=count(queue, "queue"),
                      memory=count(memory, "memory", limit=2**64),
                      kept_scenes=count(kept_scenes, "kept_scenes", zero="none"))
        out, err = ctypes.c_void_p(), _abi.gm_error()
        check(lib.gm_engine_create(out, params, err), err)
        self._handle = Handle(out.value, lib.gm_engine_free, "engine")

    def info(self) -> EngineInfo:
        """The state at this moment."""
        out, err = make(_abi.gm_engine_info), _abi.gm_error()
        with self._handle.use() as pointer:
            check(lib.gm_engine_get_info(pointer, out, err), err)
        return EngineInfo(out.threads, out.queue, out.waiting, out.running, out.memory, out.memory_used, out.scenes)


@dataclass(frozen=True)
class Adapter:
    """A small file of changes to a model (docs/FORMAT.md). scale: of its changes; 0 only checks the file."""

    path: str
    scale: float = 1.0


def adapter_uses(adapters: Any) -> Any:
    """gm_adapter_use[n] of paths and Adapters; None for none."""
    if not adapters:
        return None
    if isinstance(adapters, (str, Adapter)):
        raise ArgumentError(f"adapters: found one {type(adapters).__name__}; wanted a list of them")
    uses = [use if isinstance(use, Adapter) else Adapter(use) for use in adapters]
    return (_abi.gm_adapter_use * len(uses))(*(
        make(_abi.gm_adapter_use, path=path_bytes(use.path, "adapter"), scale=use.scale, off=use.scale == 0)
        for use in uses))


def string(value: bytes | None) -> str:
    return "" if value is None else value.decode(errors="replace")


def open_with(opened: Any, free: Any, what: str, path: Any, params: Any, engine: Engine | None) -> Handle:
    """gm_model_open or gm_clip_open. Ctrl-C leaves it to end by itself: nothing can cancel it."""
    name = None if path is None else path_bytes(path, "path")
    out = ctypes.c_void_p()

    def invoke(_callbacks: Any, err: Any) -> int:
        return opened(out, name, params, err)

    if engine is None:
        interruptible(invoke, abandon=lambda: free(out))
    else:
        with engine._handle.use() as pointer:
            params.engine = pointer
            interruptible(invoke, abandon=lambda: free(out))
    return Handle(out.value, free, what)
