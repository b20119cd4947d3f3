"""What runs, measures and reports needs none of what builds: neither PyTorch nor what else that extra brings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from extras import BUILDING, MODULES
from once import once

from reszoo import zoo
from reszoo.export.exporting import export

REF = "resnet8_v1.reszoo_digits"
BLINKERS = Path(__file__).parents[1] / "support" / "blinkers"
HIDDEN = ",".join([*BUILDING, *(module for modules in MODULES.values() for module in modules)])
NEEDED_BY = {
    "train": ["train", "resnet8_v1", "--data", "digits", "--recipe", "digits"],
    "prune": ["prune", REF, "--macs", "0.5"],
    "export": ["export", REF],
    "quantize": ["quantize", REF],
    "study": ["study", "gradient-flow", "--scale", "smoke"],
    "predict a checkpoint": ["predict", REF, "image.png"],
    "download a pickle": ["download", "resnet20_v1.akamaster_cifar10", "--offline"],
}


def without_torch(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(BLINKERS), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "HIDDEN_MODULES": HIDDEN}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=environment)


def reszoo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return without_torch("-m", "reszoo.cli.main", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "digits-onnx", lambda folder: export(zoo.load(REF), "onnx", out=folder))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "image.png"
    Image.new("L", (8, 8), 128).save(path)
    return path


MODULES = """
    api bench.comparison bench.evaluate bench.harness bench.host_check bench.plan bench.worker cli.main datasets
    export.parity export.predicting reporting.build reporting.page reporting.text workflows.benchmarking
    workflows.comparing workflows.predicting workflows.quantization.profile workflows.reporting zoo
"""


def test_what_these_verbs_import_needs_none_of_it(tmp_path: Path) -> None:
    program = "; ".join(f"import reszoo.{name}" for name in MODULES.split())
    done = without_torch("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", [["list"], ["show", "resnet50_v1"], ["show", REF, "--layers"]], ids=" ".join)
def test_looking_up(verb: list[str], tmp_path: Path) -> None:
    done = reszoo(*verb, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "resnet" in done.stdout or "parameters" in done.stdout


def test_an_artifact_is_run(artifact: Path, image: Path, tmp_path: Path) -> None:
    done = reszoo("predict", str(artifact), str(image), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "in onnxruntime" in done.stdout


@pytest.mark.parametrize("verb", NEEDED_BY)
def test_what_needs_it_says_so_in_one_line_with_the_fix(verb: str, image: Path, tmp_path: Path) -> None:
    done = reszoo(*NEEDED_BY[verb], cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    problem, fix = done.stderr.splitlines()[-2:]
    assert problem.startswith("error: ")
    assert "the package torch is not installed" in problem
    assert fix == "pip install 'reszoo[torch]'"
    assert "Traceback" not in done.stderr


def test_a_worker_imports_it_for_the_runtime_torch_alone(artifact: Path) -> None:
    program = (
        "import sys\n"
        "from reszoo.bench import worker\n"
        "from reszoo.core.measured import Scenario\n"
        "from reszoo.export import artifacts\n"
        f"artifact = artifacts.read({str(artifact)!r})\n"
        "runtime = worker.runtimes()['onnxruntime']\n"
        "runtime.preload()\n"
        "scenario = Scenario(runtime='onnxruntime', variant='', device='cpu', batch=1, threads=1)\n"
        "inputs = worker.inputs_for(artifact, scenario)\n"
        "session = runtime.load(artifact, device='cpu', threads=1, variant='')\n"
        "session.predict(inputs[0])\n"
        "heavy = {'torch', 'scipy', 'onnx', 'reszoo.export.parity', 'reszoo.export.runtimes.torch'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
