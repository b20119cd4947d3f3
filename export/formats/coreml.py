"""Core ML's program, through coremltools, which writes it on any system. Core ML itself runs on Apple's only."""

import io
import json
import tempfile
import uuid
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Candidate, Checkpoint, Unavailable
from ..contract.format import Format
from ..contract.options import ExportOptions, input_spec
from ..contract.runtime import Runtime
from ..coreml_package import MODEL_FOLDER, PROGRAM, WEIGHTS, coremltools
from ..exporters import example
from .onnx import deployed

TRACED_BATCH = 2
LARGEST_BATCH = 1024


class CoreMlFormat(Format):
    """fp16 is what Core ML computes in, where the device can.

    Where Core ML is not, the program is read back from the package and computed in PyTorch to prove it.
    """

    name = "coreml"
    parity_runtime = "coreml"
    precisions = ("fp32", "fp16")
    has_static_batch = True
    largest_batch = LARGEST_BATCH
    opened = (MODEL_FOLDER,)
    packages = ("coremltools", "torch")

    def unavailable(self) -> Unavailable | None:
        return not_installed("coreml", "coremltools") or not_installed("torch", "torch", what=self.name)

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        bars = redirect_stderr(io.StringIO())  # of its progress; errors are raised
        with quietly(), bars, tempfile.TemporaryDirectory(prefix="reszoo-") as name:
            model = _convert(checkpoint, options)
            model.save(f"{name}/{MODEL_FOLDER}")
            _package(model.get_spec(), Path(name) / MODEL_FOLDER, folder / MODEL_FOLDER)

    def stand_in(self, written: Candidate) -> tuple[Candidate, Runtime]:
        from msgspec.structs import replace

        from ..mil import MilRuntime

        return replace(written, format=MilRuntime.name), MilRuntime()


def _convert(checkpoint: Checkpoint, options: ExportOptions) -> Any:
    import numpy as np
    import torch
    from msgspec.structs import replace

    from ...zoo import build

    ct = coremltools()
    spec = input_spec(checkpoint, options)
    module = deployed(build(checkpoint), checkpoint.preprocess, replace(options, precision="fp32"))
    dynamic = None if options.batch else ({0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)},)
    program = torch.export.export(module, (example(spec, TRACED_BATCH),), dynamic_shapes=dynamic)
    batch = options.batch or ct.RangeDim(1, LARGEST_BATCH)
    precision = ct.precision.FLOAT16 if options.precision == "fp16" else ct.precision.FLOAT32
    return ct.convert(
        program.run_decompositions({}),
        convert_to="mlprogram",
        inputs=[ct.TensorType(name=spec.name, shape=(batch, *spec.shape[1:]))],
        outputs=[ct.TensorType(name="logits", dtype=np.float32)],
        compute_precision=precision,
        minimum_deployment_target=ct.target.iOS15,
        skip_model_load=True,
    )


def _package(spec: Any, saved: Path, package: Path) -> None:
    """What coremltools has saved, less what differs each time: the date, and random names in the manifest."""
    spec.description.metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)
    parts = {
        PROGRAM: spec.SerializeToString(deterministic=True),
        WEIGHTS: (saved / "Data" / WEIGHTS).read_bytes(),
    }
    for name, content in parts.items():
        path = package / "Data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    text = (saved / "Manifest.json").read_text()
    for key, entry in json.loads(text)["itemInfoEntries"].items():
        text = text.replace(key, str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"])))
    # as Core ML writes it: it writes it anew whenever it opens a package
    text = json.dumps(json.loads(text), indent=4, sort_keys=True) + "\n"
    (package / "Manifest.json").write_text(text)


FORMAT = CoreMlFormat()
