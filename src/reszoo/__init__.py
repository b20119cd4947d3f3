"""reszoo: from a trained ResNet to the fastest artifact that keeps its accuracy. The public API, imported lazily.

checkpoint = reszoo.load("resnet20_v1.akamaster_cifar10")
artifact = checkpoint.export("onnx")
print(artifact.evaluate("cifar10"), artifact.benchmark())

No function here has the name of a package: importing the package would put it in the function's place.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# ONNX Runtime reads it when it is imported, here or in a process that is started from here: its wheel calls home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from . import bench as bench
    from . import datasets as datasets
    from . import export as export
    from . import models as models
    from . import prune as prune
    from . import quantize as quantize
    from . import reporting as reporting
    from . import serving as serving
    from . import studies as studies
    from . import training as training
    from . import workflows as workflows
    from . import zoo as zoo
    from .api import Artifact as Artifact
    from .api import Checkpoint as Checkpoint
    from .api import import_checkpoint as import_checkpoint
    from .api import load as load
    from .api import load_artifact as load_artifact
    from .api import optimize as optimize
    from .api import train as train
    from .core.errors import ReszooError as ReszooError
    from .core.errors import UnavailableError as UnavailableError
    from .core.errors import UsageError as UsageError
    from .core.progress_bar import ProgressBar as ProgressBar
    from .workflows.comparing import compare as compare
    from .workflows.reporting import report as report
    from .workflows.studying import study as study
    from .workflows.verifying import verify as verify
    from .zoo.checkpoints import build as build
    from .zoo.creating import create_model as create_model
    from .zoo.listing import ModelCard as ModelCard
    from .zoo.listing import list_models as list_models

    __version__: str

_HOME = {
    "Artifact": "api",
    "Checkpoint": "api",
    "ModelCard": "zoo.listing",
    "ProgressBar": "core.progress_bar",
    "ReszooError": "core.errors",
    "UnavailableError": "core.errors",
    "UsageError": "core.errors",
    "build": "zoo.checkpoints",
    "compare": "workflows.comparing",
    "create_model": "zoo.creating",
    "import_checkpoint": "api",
    "list_models": "zoo.listing",
    "load": "api",
    "load_artifact": "api",
    "optimize": "api",
    "report": "workflows.reporting",
    "study": "workflows.studying",
    "train": "api",
    "verify": "workflows.verifying",
}
_PACKAGES = (
    "bench",
    "datasets",
    "export",
    "models",
    "prune",
    "quantize",
    "reporting",
    "serving",
    "studies",
    "training",
    "workflows",
    "zoo",
)
__all__ = ["__version__", *_HOME, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version("reszoo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
