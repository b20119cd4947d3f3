"""A model repository for Triton: its configuration, by the protobuf of Triton's client, and its README's client."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from environments import python_of_tritons_client
from once import once
from server import served

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact
from reszoo.datasets.builtin import PICTURES
from reszoo.datasets.photos import PHOTOGRAPHS
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.format import formats
from reszoo.export.formats.triton import config
from reszoo.quantize.config import QuantizeConfig
from reszoo.workflows.predicting import predict

REF = "resnet8_v1.reszoo_digits"
PARSED = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
parsed = [text_format.Parse(text, model_config_pb2.ModelConfig()) for text in json.load(sys.stdin)]
print(json.dumps([json_format.MessageToDict(each, preserving_proto_field_name=True) for each in parsed]))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifacts.read(once(tmp_path_factory, "digits-triton", lambda out: export(zoo.load(REF), "triton", out=out)))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(python_of_tritons_client(tmp_path_factory))


def parsed(python: str, *options: ExportOptions) -> list[dict[str, Any]]:
    texts = json.dumps([config(zoo.load(REF), each) for each in options])
    done = subprocess.run([python, "-c", PARSED], input=texts, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_it_lies_as_a_server_reads_it(repository: Artifact) -> None:
    home = repository.path / "models" / REF
    assert sorted(path.relative_to(home).as_posix() for path in home.rglob("*")) == [
        "1", "1/model.onnx", "config.pbtxt", "labels.txt",
    ]  # fmt: skip
    assert (home / "labels.txt").read_text().split() == list(repository.labels)
    assert {way.name for way in repository.parity.ways} >= {"run.py", "onnxruntime"}


def test_its_configuration_may_be_changed_and_its_model_may_not(repository: Artifact, tmp_path: Path) -> None:
    artifact = export(zoo.load(REF), "triton", out=tmp_path / "made")
    home = artifact.path / "models" / REF
    (home / "config.pbtxt").write_text("max_batch_size: 4")
    assert artifacts.read(artifact.path).files == repository.files
    (home / "2").mkdir()
    (home / "2" / "model.onnx").write_bytes(b"")
    with pytest.raises(Exception, match="does not list"):
        artifacts.read(artifact.path)


@pytest.mark.long
def test_the_protobuf_of_triton_reads_every_configuration(python: str) -> None:
    plain, fixed, openvino, tensorrt = parsed(
        python,
        ExportOptions(),
        ExportOptions(batch=8, input="uint8"),
        ExportOptions(accelerator=("openvino",)),
        ExportOptions(accelerator=("tensorrt",), precision="fp16"),
    )
    assert (plain["name"], plain["backend"], plain["max_batch_size"]) == (REF, "onnxruntime", 32)
    assert plain["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": ["1", "8", "8"]}]
    (output,) = plain["output"]
    assert (output["dims"], output["label_filename"]) == (["10"], "labels.txt")
    assert plain["dynamic_batching"] == {"max_queue_delay_microseconds": "1000"}
    assert fixed["input"] == [{"name": "input", "data_type": "TYPE_UINT8", "dims": ["8", "8", "8", "1"]}]
    assert {"max_batch_size", "dynamic_batching"}.isdisjoint(fixed)
    of_cpu = openvino["optimization"]["execution_accelerators"]["cpu_execution_accelerator"]
    assert of_cpu == [{"name": "openvino"}]
    assert openvino["instance_group"] == [{"count": 1, "kind": "KIND_CPU"}]
    (of_gpu,) = tensorrt["optimization"]["execution_accelerators"]["gpu_execution_accelerator"]
    assert of_gpu == {"name": "tensorrt", "parameters": {"precision_mode": "FP16"}}


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(accelerator=("openvino",), precision="fp16"),
        ExportOptions(accelerator=("tensorrt",), precision="int8"),
        ExportOptions(accelerator=("openvino", "tensorrt")),
    ],
    ids=lambda options: f"{options.precision}-{'-'.join(options.accelerator)}",
)
def test_an_accelerator_that_does_not_fit_is_refused(options: ExportOptions) -> None:
    with pytest.raises(UsageError):
        formats()["triton"].check(options)


def test_tensorrt_takes_signed_integers() -> None:
    signed = QuantizeConfig(scheme="int8", activations="s8")
    options = ExportOptions(accelerator=("tensorrt",), precision="int8", quantize=signed)
    formats()["triton"].check(options)
    assert '"INT8"' in config(zoo.load(REF), options)


@pytest.mark.long
def test_the_client_in_its_readme_works(python: str, repository: Artifact, tmp_path: Path) -> None:
    """Against `reszoo serve`, which speaks the protocol of both servers."""
    (program,) = re.findall(r"```python\n(.*?)```", (repository.path / "README.md").read_text(), re.DOTALL)
    assert len(program.splitlines()) <= 20
    (expected,) = predict(repository, PICTURES / PHOTOGRAPHS[0])
    with served(repository.path) as server:
        (tmp_path / "client.py").write_text(program.replace("localhost:8000", f"127.0.0.1:{server.port}"))
        environment = os.environ | {"PYTHONPATH": str(repository.path)}
        command = [python, str(tmp_path / "client.py"), str(PICTURES / PHOTOGRAPHS[0])]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=repository.path, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == expected.label
