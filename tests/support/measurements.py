"""Measurements as a real run gives them, made from a seed: for tests of what is said about them."""

import random
from typing import Any

import msgspec

from reszoo.core.measured import (
    MEASURED,
    Accuracy,
    Block,
    ColdStart,
    Comparison,
    Conditions,
    Host,
    Measurement,
    MeasurementWarning,
    Memory,
    Pages,
    Scenario,
    Subject,
    Window,
)

MB = 1_000_000
HOST = Host(
    machine="x86_64",
    cpu="AMD EPYC 9R14",
    cores=2,
    memory_bytes=8_000 * MB,
    instruction_sets=("avx2", "fma", "avx512f", "avx512_vnni"),
    gpu=None,
    os="Linux 6.1.0, Debian GNU/Linux 12 (bookworm)",
    python="3.11.7",
    versions={"reszoo": "0.1.0", "torch": "2.14.1", "onnxruntime": "1.31.1"},
    governor="performance",
    turbo=False,
    max_mhz=3700.0,
    last_level_cache_bytes=32 * MB,
)
SCENARIO = Scenario(runtime="onnxruntime", variant="", device="cpu", batch=1, threads=1)
SUBJECT = Subject(
    source_ref="resnet20_v1.akamaster_cifar10",
    weights_sha256="a" * 64,
    artifact_format="onnx",
    artifact_sha256="b" * 64,
    artifact_bytes=1_095_000,
    compressed_bytes=1_005_000,
    precision="fp32",
    input_dtype="float32",
    scenario=SCENARIO,
)
CONDITIONS = Conditions(
    seconds=2.0,
    load_before=0.1,
    foreign_cpu_s=0.01,
    steal_s=0.0,
    cgroup_throttled_s=0.0,
    min_mhz=3690.0,
    max_mhz=3700.0,
    thermal_events=0,
    major_faults=0,
)


def a_measurement(
    *, median_s: float = 4e-3, n: int = 400, correct: int | None = 9173, seed: int = 0, **changes: Any
) -> Measurement:
    """A measurement around `median_s` with `n` samples, `correct` of 10,000 images (None: not evaluated).

    `changes` are fields of the measurement, its subject or its scenario, whichever has the name first.
    """
    by_record: dict[type, dict[str, Any]] = {Measurement: {}, Subject: {}, Scenario: {}}
    for name, value in changes.items():
        owner = next((record for record in by_record if name in record.__struct_fields__), None)
        if owner is None:
            raise TypeError(f"a measurement has no {name}")
        by_record[owner][name] = value
    scenario = msgspec.structs.replace(SCENARIO, **by_record[Scenario])
    subject = msgspec.structs.replace(SUBJECT, **{"scenario": scenario} | by_record[Subject])
    samples = samples_s(median_s, n, seed)
    made = Measurement(
        subject=subject,
        host=HOST,
        started_at=f"2026-11-22T13:{seed % 60:02d}:00.000+00:00",
        samples_s=samples,
        runs_per_sample=1,
        windows=windows(samples),
        warmup_s=0.75,
        clock="host",
        cold_start=ColdStart(start_s=0.21, import_s=0.118, load_s=0.034, first_run_s=3 * median_s),
        memory=memory(model_bytes=int(3.2 * subject.artifact_bytes), batch=subject.scenario.batch),
        conditions=CONDITIONS,
        warnings=(),
        accuracy=None if correct is None else Accuracy(dataset="cifar10", split="test", n=10_000, correct=correct),
        way=MEASURED,
    )
    return msgspec.structs.replace(made, **by_record[Measurement])


def a_comparison() -> Comparison:
    """Of three, in two rounds."""
    order = (2, 0, 1, 1, 0, 2)
    rounds = [
        tuple(Block(contestant=c, samples_s=tuple((1000 * n + c + 1) / 1e9 for n in range(c + 1))) for c in order),
        tuple(Block(contestant=c, samples_s=(0.1 + 0.2 * c,)) for c in order),
    ]
    return Comparison(
        subjects=(SUBJECT,) * 3,
        host=HOST,
        started_at="2026-11-22T13:00:00.000+00:00",
        rounds=tuple(rounds),
        conditions=(),
        warnings=(),
    )


def samples_s(median_s: float, n: int, seed: int = 0) -> tuple[float, ...]:
    """Log-normal latencies, one in fifty of them held up."""
    rng = random.Random(seed)  # noqa: S311 - not for security
    return tuple(
        median_s * rng.lognormvariate(0, 0.02) * (rng.uniform(1.1, 1.5) if rng.random() < 0.02 else 1) for _ in range(n)
    )


def windows(samples: tuple[float, ...], count: int = 8) -> tuple[Window, ...]:
    """The samples in `count` stretches (fewer if there are fewer samples)."""
    size = -(-len(samples) // count)
    parts = [samples[i : i + size] for i in range(0, len(samples), size)]
    return tuple(Window(runs=len(part), seconds=sum(part)) for part in parts)


def memory(*, model_bytes: int, batch: int, runtime_bytes: int = 42 * MB) -> Memory:
    """Steps that grow: the runtime, the model, and arenas that follow the batch."""
    sizes = [31 * MB]
    for more in (runtime_bytes, model_bytes, 6 * MB + batch * MB // 2, MB):
        sizes.append(sizes[-1] + more)
    started, imported, loaded, first_run, steady = (
        Pages(resident_bytes=size, private_bytes=size * 2 // 3, file_bytes=size // 3) for size in sizes
    )
    return Memory(
        started=started,
        imported=imported,
        loaded=loaded,
        first_run=first_run,
        steady=steady,
        peak_bytes=sizes[-1] + MB,
        cgroup_peak_bytes=None,
        device=None,
    )


def a_zoo() -> list[Measurement]:
    """Four networks, two runtimes, two batches, accuracy beside the larger batch only, and some warnings."""
    networks = [
        ("resnet20_v1.akamaster_cifar10", 1.0, 1_095_000, 9173),
        ("resnet32_v1.akamaster_cifar10", 1.62, 1_880_000, 9263),
        ("resnet44_v1.akamaster_cifar10", 2.27, 2_670_000, 9310),
        ("resnet56_v1.akamaster_cifar10", 2.9, 3_450_000, 9339),
    ]
    runtimes = [("onnxruntime", "onnx", 0.56e-3, {1: 1, 32: 24.4}), ("torch", "torch", 4.09e-3, {1: 1, 32: 8.7})]
    steal = MeasurementWarning(kind="steal", detail="the hypervisor took 0.31 s of 2.0 s")
    drift = MeasurementWarning(kind="drift", detail="the last quarter was 4.1 % slower than the first")
    made = []
    for i, (ref, cost, size, correct) in enumerate(networks):
        for j, (runtime, format_, base_s, growth) in enumerate(runtimes):
            for batch, factor in growth.items():
                seed = len(made)
                made.append(
                    a_measurement(
                        median_s=base_s * cost * factor,
                        n=1500 if batch == 1 else 300,
                        correct=correct if batch == 32 else None,
                        seed=seed,
                        source_ref=ref,
                        weights_sha256=f"{i + 1:064x}",
                        artifact_sha256=f"{16 * i + j + 1:064x}",
                        artifact_format=format_,
                        artifact_bytes=size,
                        compressed_bytes=int(0.92 * size),
                        runtime=runtime,
                        batch=batch,
                        warnings={3: (steal,), 6: (steal, drift)}.get(seed, ()),
                    )
                )
    return made
