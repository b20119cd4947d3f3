"""What four designs for kinds of hardware give for their cost, beside the usual networks: measured, in float and int8.

Sandler et al. 2018 (inverted residuals), Zagoruyko & Komodakis 2016 (wide against deep), Ma et al. 2018 (multiply-adds
say little of speed), Krishnamoorthi 2018 and Nagel et al. 2019 (what 8 bits cost).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .engine.deployed import (
    FIRST,
    MEGA,
    REFERENCES,
    RUNTIMES,
    accuracy,
    exported,
    latencies,
    memory_mb,
    quantized,
    reference,
    runtimes_here,
)
from .engine.designs import Design, compared, controls
from .engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Region,
    Scale,
    Settings,
    above,
    below,
    between,
    within,
)
from .engine.study import Study, grid
from .engine.trials import METRICS, trial

if TYPE_CHECKING:
    from ..core.types import Artifact, Checkpoint

DESIGNS = {name: f"resnet_{name}_v2" for name in ("mobile", "edge", "npu", "cloud")}
USUAL: dict[str, dict[str, str]] = {  # v2 has the architecture of the bundled network that all are timed with
    "digits": {"v1": "resnet8_v1", "v2": "resnet8_v2", "v1-20": "resnet20_v1", "v2-20": "resnet20_v2"},
    "cifar10": {"v1-8": "resnet8_v1", "v2-8": "resnet8_v2", "v1": "resnet20_v1", "v2": "resnet20_v2"},
}
DEEP = {"deep": "resnet56_v2"}
NAMES: dict[Scale, tuple[str, ...]] = {
    "smoke": ("v2", "edge"),
    "cpu": ("v2", "v1", "v1-8", "v2-8", "v1-20", "v2-20", "deep", "mobile", "edge", "npu"),
    "gpu": ("v2", "v1", "v1-8", "v2-8", "v1-20", "v2-20", "deep", "mobile", "edge", "npu", "cloud"),
}
TWICE = {"digits": "resnet14_v2", "cifar10": "resnet38_v2"}  # the blocks of v2
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 5, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 1, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
V2: Condition = {"network": "v2"}
TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "litert": "LiteRT"}
PRECISIONS = ("fp32", "int8")
FIGURES = {
    "ms": "latency of an image on one thread, ms",
    "ratio": "latency over that of the bundled network in float on the same runtime",
    "file_mb": "size of the model's files, MB",
    "memory_mb": "memory of runtime and model at the peak, MB",
}
OF_INT8 = {
    "accuracy": "accuracy on test through the artifact, %",
    "loss": "accuracy on test that int8 loses, points",
    "gain": "latency over that of the same network in float",
    "size": "size of the files over that in float",
    "agreement": "share of 256 training images to which it gives the class that PyTorch gives in float, %",
}


def _of(metric: str, region: Region, network: str | tuple[str, ...], against: str | None = None) -> Contrast:
    """Of networks that were trained as usual."""
    return Contrast(
        metric=metric,
        where={"network": network, "training": "usual"},
        against={"network": against} if against else None,
        region=region,
    )


def _on_each(make: Callable[[str], Claim]) -> tuple[Claim, ...]:
    """A claim of each runtime."""
    return tuple(make(runtime) for runtime in RUNTIMES)


CLAIMS = (
    *_on_each(
        lambda runtime: Claim(
            key=f"mobile-is-faster-{runtime}",
            hypothesis=f"On {TITLES[runtime]} the mobile design takes at most 0.9 of the bundled network's time.",
            textbook="MobileNet's principles make a network efficient",
            paper="Ma 2018: multiply-adds alone do not say how fast a network is",
            contrast=_of(f"{runtime}_fp32_ratio", below(0.9), "mobile"),
        )
    ),
    Claim(
        key="mobile-is-as-accurate",
        hypothesis="The mobile design loses less than 3 points against v2.",
        textbook="MobileNet's principles make a network efficient",
        paper="",
        contrast=compared("accuracy", {"network": "mobile"}, V2, above(-3)),
    ),
    *_on_each(
        lambda runtime: Claim(
            key=f"edge-gains-from-int8-{runtime}",
            hypothesis=f"On {TITLES[runtime]} the edge design takes at most 0.8 of its time in int8.",
            textbook="quantization is what edge devices need",
            paper="",
            contrast=_of(f"{runtime}_int8_gain", below(0.8), "edge"),
        )
    ),
    Claim(
        key="edge-keeps-its-accuracy",
        hypothesis="In int8 the edge design loses less than a point.",
        textbook="quantization is what edge devices need",
        paper="Krishnamoorthi 2018: within 2 points of float for many networks",
        contrast=_of(f"{FIRST}_int8_loss", below(1), "edge"),
    ),
    Claim(
        key="mobile-loses-more-in-int8",
        hypothesis="In int8 the mobile design loses at least half a point more than the edge design.",
        textbook="",
        paper="Nagel 2019: with one scale for all channels of a layer, MobileNetV2 loses nearly everything",
        contrast=_of(f"{FIRST}_int8_loss", above(0.5), "mobile", "edge"),
    ),
    Claim(
        key="int8-is-a-quarter",
        hypothesis="The file of a design in int8 has at most 0.3 of the float file's size, always.",
        textbook="",
        paper="Krishnamoorthi 2018: four times smaller",
        contrast=_of(f"{FIRST}_int8_size", below(0.3), tuple(DESIGNS)),
        is_universal=True,
    ),
    Claim(
        key="int8-gives-the-same-answers",
        hypothesis="To 95 % of the training images or more a design gives in int8 the class of its float form, always.",
        textbook="",
        paper="",
        contrast=_of(f"{FIRST}_int8_agreement", above(95), tuple(DESIGNS)),
        is_universal=True,
    ),
    Claim(
        key="wide-is-faster-than-deep",
        hypothesis="The npu design takes less time than 56 narrow layers, though it has 1.3 times the multiply-adds.",
        textbook="width beats depth",
        paper="Zagoruyko 2016: a wide network of 40 layers trains 8 times as fast as a thin one of 1001",
        contrast=_of(f"{FIRST}_fp32_ratio", below(0), "npu", "deep"),
    ),
    Claim(
        key="wide-is-as-accurate-as-deep",
        hypothesis="The npu design loses less than 3 points against 56 narrow layers.",
        textbook="width beats depth",
        paper="Zagoruyko 2016: 4.53 % of errors with 40 wide layers; He 2016: 4.92 % with 1001 thin ones",
        contrast=compared("accuracy", {"network": "npu"}, {"network": "deep"}, above(-3)),
    ),
    Claim(
        key="preactivation-is-faster",
        hypothesis="v2 takes less time than v1 of its depth, by at least 5 % of it.",
        textbook="mobile networks take pre-activation for its efficiency",
        paper="",
        contrast=_of(f"{FIRST}_fp32_ratio", below(-0.05), "v2", "v1"),
    ),
    Claim(
        key="cloud-is-more-accurate",
        hypothesis="The cloud design is better than v2 by at least 3 points.",
        textbook="for the cloud, accuracy at scale",
        paper="",
        contrast=compared("accuracy", {"network": "cloud"}, V2, above(3)),
    ),
)

CONTROLS = (
    *controls(CLAIMS),
    Control(
        key="twice",
        kind="positive",
        says="a network with twice the blocks of the bundled one",
        contrast=Contrast(metric=f"{FIRST}_fp32_ratio", where={"control": "twice"}, region=above(1.2)),
    ),
    Control(
        key="itself",
        kind="negative",
        says="the bundled network beside itself",
        contrast=Contrast(metric=f"{FIRST}_fp32_ratio", where={"control": "itself"}, region=between(0.9, 1.1)),
    ),
    Control(
        key="as-in-pytorch",
        kind="negative",
        says="the accuracy of v2 in float through its artifact, less that in PyTorch",
        contrast=_of("export_gap", within(0.5), "v2"),
    ),
)


def archs(settings: Settings) -> dict[str, str]:
    """By the names of this scale. The cloud design costs 80 times what `resnet20_v2` does: a CPU cannot train it."""
    known = USUAL[settings.data] | DEEP | DESIGNS
    return {name: known[name] for name in NAMES[settings.scale] if name in known}


DESIGN = Design(
    networks=lambda settings: grid({"network": archs(settings)}),
    arch=lambda condition, settings: archs(settings)[str(condition["network"])],
    epochs=EPOCHS,
)


def conditions(settings: Settings) -> list[Condition]:
    return [  # those first that are not timed, and so come out the same every time
        *sorted(DESIGN.conditions(settings), key=lambda network: network["training"] == "usual"),
        *grid({"control": ("itself", "twice")}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    with TemporaryDirectory(prefix="reszoo-") as name:
        folder = Path(name)
        if "control" in condition:
            return _measure_control(str(condition["control"]), seed, settings, folder)
        return _measure_network(condition, seed, settings, folder)


def _measure_network(condition: Condition, seed: int, settings: Settings, folder: Path) -> Measured:
    from .. import zoo

    found = DESIGN.trial(condition, seed, settings, out=folder / "checkpoint")
    values: dict[str, float] = {}
    if condition["training"] == "usual" and not found.diverged:
        checkpoint = zoo.read(folder / "checkpoint")
        for runtime in runtimes_here() if settings.scale != "smoke" else [FIRST]:
            values |= _on(runtime, checkpoint, found.accuracy, seed, settings, folder)
    return found.measured(values)


def _on(
    runtime: str, checkpoint: "Checkpoint", trained: float, seed: int, settings: Settings, folder: Path
) -> dict[str, float]:
    """What this runtime makes of the checkpoint, whose accuracy in PyTorch was `trained`."""
    floats = exported(checkpoint, runtime, "fp32", folder / f"{runtime}-fp32")
    integers = quantized(checkpoint, runtime, folder / f"{runtime}-int8")
    made = {"fp32": floats, "int8": integers}
    values: dict[str, float] = {}
    took = dict(zip(made, latencies(list(made.values()), runtime, settings, seed), strict=True))
    for precision, artifact in made.items():
        values |= {
            f"{precision}_ms": took[precision].ms,
            f"{precision}_ratio": took[precision].ratio,
            f"{precision}_file_mb": artifact.size_bytes / MEGA,
            f"{precision}_memory_mb": memory_mb(artifact, runtime),
        }
    in_int8 = accuracy(integers, runtime, settings.data)
    values |= {
        "int8_accuracy": in_int8,
        "int8_loss": trained - in_int8,
        "int8_gain": took["int8"].ratio / took["fp32"].ratio,
        "int8_size": integers.size_bytes / floats.size_bytes,
        "int8_agreement": 100 * integers.parity.top1_agreement,
    }
    gap = {"export_gap": accuracy(floats, runtime, settings.data) - trained} if runtime == FIRST else {}
    return {f"{runtime}_{name}": value for name, value in values.items()} | gap


def _measure_control(name: str, seed: int, settings: Settings, folder: Path) -> Measured:
    made = reference(settings.data, FIRST) if name == "itself" else _twice(seed, settings, folder)
    ((_, ratio),) = latencies([made], FIRST, settings, seed)
    return Measured(values={f"{FIRST}_fp32_ratio": ratio})


def _twice(seed: int, settings: Settings, folder: Path) -> "Artifact":
    """After one step of training: how long it takes does not depend on the weights."""
    from .. import zoo

    trial(TWICE[settings.data], settings, seed, 1, {"steps": "1"}, out=folder / "checkpoint")
    return exported(zoo.read(folder / "checkpoint"), FIRST, "fp32", folder / "fp32")


def _metrics() -> dict[str, str]:
    """Of every runtime in both precisions."""
    found = {"export_gap": "accuracy on test of the float artifact, less that in PyTorch, points"}
    for runtime, title in TITLES.items():
        both = [(precision, name, says) for precision in PRECISIONS for name, says in FIGURES.items()]
        for precision, name, says in (*both, *(("int8", name, says) for name, says in OF_INT8.items())):
            found[f"{runtime}_{precision}_{name}"] = f"{says}, {precision} on {title}"
    return found


def _fronts() -> tuple[Figure, ...]:
    """Accuracy against each cost, in both precisions."""
    titles = {"ms": "latency, ms", "memory_mb": "memory at the peak, MB", "file_mb": "size of the files, MB"}
    return tuple(
        Figure(
            name=f"{name.replace('_', '-')}-{precision}",
            title=f"Accuracy against {title.partition(',')[0]}, {precision} on {TITLES[FIRST]}",
            y="accuracy" if precision == "fp32" else f"{FIRST}_int8_accuracy",
            x=f"{FIRST}_{precision}_{name}",
            where={"training": "usual"},
            lines=("network",),
            x_title=title,
        )
        for precision in PRECISIONS
        for name, title in titles.items()
    )


STUDY = Study(
    name="efficient",
    title="Designs for kinds of hardware",
    question="Do designs for phones, edge devices and matrix units give more accuracy for the time that they take?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS | _metrics(),
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    trains=True,
    figures=_fronts(),
    caveats=(
        "All are trained for as many epochs, on a CPU for one of CIFAR-10: their order after it need not be the last. "
        "The bundled networks, which the others are timed with, are "
        f"{REFERENCES['digits']} and {REFERENCES['cifar10']}: of 8 layers and of 20.",
        "Times are of this machine's CPU, one image on one thread. No phone, no matrix unit and no GPU was measured.",
        "A runtime that is not installed is left out.",
        "The cloud design is trained with `--scale gpu` alone.",
    ),
    alone=True,
)
