"""A Core ML package: what it is called, where its parts lie, and the library that writes and reads it."""

from typing import Any

from ..core.silence import quietly

MODEL_FOLDER = "model.mlpackage"
# a package's parts, as its Manifest.json lists them
PROGRAM, WEIGHTS = "com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights/weight.bin"


def coremltools() -> Any:
    """The package, imported without its talk of what it was not tested with."""
    with quietly():
        import coremltools

    return coremltools
