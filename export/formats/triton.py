"""A model repository for NVIDIA's Triton Inference Server, with the ONNX model; OpenVINO Model Server reads it too.

The layout and the configuration: github.com/triton-inference-server/server, docs/user_guide/model_repository.md and
model_configuration.md; the accelerators: github.com/triton-inference-server/onnxruntime_backend, README.md.
"""

import json
from pathlib import Path

from ...core.errors import UsageError
from ...core.missing import not_installed
from ...core.types import Artifact, Checkpoint, TensorSpec, Unavailable
from ...quantize.config import QuantizeConfig
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions, input_spec, output_spec
from . import onnx

REPOSITORY, CONFIG, LABELS = "models", "config.pbtxt", "labels.txt"
MAX_BATCH, DELAY_US = 32, 1000
DATA_TYPES = {"float32": "TYPE_FP32", "uint8": "TYPE_UINT8"}
KINDS = {"": "KIND_AUTO", "openvino": "KIND_CPU", "tensorrt": "KIND_GPU"}
PRECISION_MODES = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8"}


class TritonFormat(GraphFormat):
    """The configuration may be changed by its user, so that it is none of the files whose hashes count.

    Without `accelerator`, ONNX Runtime's own kernels run, as they are proven here.
    """

    name = "triton"
    parity_runtime = "onnxruntime"
    precisions = ("fp32", "fp16", "int8")
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    has_opset = True
    has_static_batch = True
    accelerators = ("openvino", "tensorrt")
    holds = onnx.FORMAT.name
    opened = (REPOSITORY,)
    companions = (CONFIG,)
    packages = onnx.FORMAT.packages

    def unavailable(self) -> Unavailable | None:
        return not_installed("torch", *onnx.EXPORTER, what=self.name)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        onnx.FORMAT.check(_plain(options))  # the opset
        if len(options.accelerator) > 1:
            raise UsageError("a model has one accelerator in Triton", "Name one: `accelerator=openvino`.")
        if "openvino" in options.accelerator and options.precision == "fp16":
            raise UsageError("OpenVINO runs it on the CPU, which has no use for fp16", "Choose precision fp32 or int8.")
        is_signed = options.quantize is not None and options.quantize.activations == "s8"
        if "tensorrt" in options.accelerator and options.precision == "int8" and not is_signed:
            raise UsageError(
                "TensorRT takes no unsigned activations", "Quantize with `activations=s8`, or choose precision fp16."
            )

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return onnx.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        home = folder / REPOSITORY / checkpoint.ref
        (home / "1").mkdir(parents=True)
        (home / "1" / files.ONNX).write_bytes(graph)
        (home / LABELS).write_text("".join(f"{' '.join(label.split())}\n" for label in checkpoint.labels), "utf-8")
        (home / CONFIG).write_text(config(checkpoint, options), "utf-8")

    def guide(self, artifact: Artifact) -> str:
        return GUIDE.format(
            name=artifact.source_ref,
            input=artifact.input.name,
            datatype=DATA_TYPES[artifact.input.dtype].removeprefix("TYPE_"),
            output=artifact.output.name,
        )


def config(checkpoint: Checkpoint, options: ExportOptions) -> str:
    """config.pbtxt, a ModelConfig of Triton's model_config.proto as text."""
    fed, given = input_spec(checkpoint, options), output_spec(checkpoint, options)
    accelerator = "".join(options.accelerator)
    parts = [
        f"name: {json.dumps(checkpoint.ref)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {0 if options.batch else MAX_BATCH}",
        f"input [ {{ {_end(fed, options)} }} ]",
        f"output [ {{ {_end(given, options)} label_filename: {json.dumps(LABELS)} }} ]",
        f"instance_group [ {{ kind: {KINDS[accelerator]} count: 1 }} ]",
    ]
    if not options.batch:
        parts.append(f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY_US} }}")
    if accelerator:
        parts.append(f"optimization {{ execution_accelerators {{ {_accelerator(accelerator, options)} }} }}")
    return "\n".join(parts) + "\n"


def _end(spec: TensorSpec, options: ExportOptions) -> str:
    """A batch of any size is not among the dimensions, one that is fixed is."""
    sides = spec.shape if options.batch else spec.shape[1:]
    return f"name: {json.dumps(spec.name)} data_type: {DATA_TYPES[spec.dtype]} dims: [ {', '.join(map(str, sides))} ]"


def _accelerator(name: str, options: ExportOptions) -> str:
    if name == "openvino":
        return 'cpu_execution_accelerator [ { name: "openvino" } ]'
    mode = f'parameters {{ key: "precision_mode" value: "{PRECISION_MODES[options.precision]}" }}'
    return f'gpu_execution_accelerator [ {{ name: "tensorrt" {mode} }} ]'


def _plain(options: ExportOptions) -> ExportOptions:
    from msgspec.structs import replace

    return replace(options, accelerator=())


GUIDE = """### On a server

`models` is a model repository. Triton Inference Server serves it, with batching as {name}/config.pbtxt says, which you
may change:

    docker run --rm -p 8000:8000 -v "$PWD/models:/models" nvcr.io/nvidia/tritonserver:25.06-py3 \\
        tritonserver --model-repository=/models

and so does OpenVINO Model Server, which does not read config.pbtxt:

    docker run --rm -p 8000:8000 -v "$PWD/models:/models" openvino/model_server:latest \\
        --model_name {name} --model_path /models/{name} --rest_port 8000

`reszoo serve .` speaks the same protocol without a container. A client for all three, beside run.py
(`pip install 'tritonclient[http]' pillow`), as in `python client.py IMAGE...`:

```python
import json
import sys
from pathlib import Path

import tritonclient.http as triton
from run import feed, pixels

about = json.loads(Path("artifact.json").read_text(encoding="utf-8"))
client = triton.InferenceServerClient("localhost:8000")
for path in sys.argv[1:]:
    image = pixels(path, about["preprocess"])
    batch = feed(image[None], about["input"], about["preprocess"])
    tensor = triton.InferInput("{input}", batch.shape, "{datatype}")
    tensor.set_data_from_numpy(batch)
    (logits,) = client.infer("{name}", [tensor]).as_numpy("{output}")
    print(path, about["labels"][logits.argmax()])
```"""

FORMAT = TritonFormat()
