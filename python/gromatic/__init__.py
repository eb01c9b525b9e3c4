"""gromatic: what is in a picture and where, on your own processor.

    import gromatic

    with gromatic.Model("groma-7b-q4_k.gguf") as model:
        with model.scene("dog.jpg") as scene:
            print(scene.caption())                     # words
            print(scene.ground("the brown dog"))       # boxes, in pixels of the upright picture

Model (Groma) describes pictures and finds phrases in them; Clip says which of your own words fits a picture or its
regions. Results are frozen dataclasses. docs/PYTHON.md is the introduction.
"""
from ._clip import Classes, Clip, ClipInfo, View
from ._engine import Adapter, Engine, EngineInfo
from ._errors import (ArgumentError, BusyError, CancelledError, ClosedError, ContextFullError, DeadlineError,
                      ForkError, GromaticError, ImageError, ModelError, NotFoundError, OutOfMemoryError, ReadError)
from ._image import Image, Picture
from ._model import Chat, Model, ModelInfo, Scene
from ._native import lib as _lib
from ._request import Stream
from ._results import (Answer, Classification, CropShare, Detections, Explanation, Grounding, GroundResult, Label,
                       Labelled, Phrase, Progress, Region, Text, TextShare, Usage, to_coco)

__version__: str = _lib.gm_version().decode()

__all__ = [
    "Adapter", "Answer", "ArgumentError", "BusyError", "CancelledError", "Chat", "Classes", "Classification", "Clip",
    "ClipInfo", "ClosedError", "ContextFullError", "CropShare", "DeadlineError", "Detections", "Engine", "EngineInfo",
    "Explanation", "ForkError", "GromaticError", "GroundResult", "Grounding", "Image", "ImageError", "Label",
    "Labelled", "Model", "ModelError", "ModelInfo", "NotFoundError", "OutOfMemoryError", "Phrase", "Picture",
    "Progress", "ReadError", "Region", "Scene", "Stream", "Text", "TextShare", "Usage", "View", "to_coco",
]
