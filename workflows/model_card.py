"""A model card: what the hub reads of a repository, as YAML, above what people read of it, as Markdown."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.statistics import proportion_interval
from ..core.types import Artifact, Checkpoint, Metric, ProvenanceStep
from ..models.network import summary

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

README = "README.md"
TASK = "image-classification"
# Data sets that the hub has, by the names that they have there.
DATASETS = {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100", "imagenet1k": "ILSVRC/imagenet-1k"}
# The licences of weights that the hub knows by their SPDX identifiers in lower case.
LICENCES = frozenset(
    "apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 "
    "cc-by-nc-sa-4.0 gpl-3.0 lgpl-3.0 agpl-3.0 mpl-2.0 isc unlicense".split()
)
CONTROL = re.compile(r"[\x00-\x1f\x7f|]+")  # what would end a cell of a table


def card(model: Checkpoint | Artifact, licence: str, metrics: Sequence[Metric], repo: str, body: str = "") -> str:
    """The card as the hub takes it.

    Args:
        model: What is in the repository.
        licence: Of its weights.
        metrics: Accuracies of this very model.
        repo: OWNER/NAME, as it is in the examples.
        body: What people read; "" is one that is made of the checkpoint.
    """
    from huggingface_hub import ModelCardData

    dataset = DATASETS.get(model.dataset)
    data = ModelCardData(
        **_licence(licence),
        library_name="reszoo",
        pipeline_tag=TASK,
        tags=_tags(model),
        datasets=[dataset] if dataset else None,
        metrics=["accuracy"] if metrics else None,
        model_name=_ref(model) if metrics else None,
        eval_results=[_result(metric) for metric in metrics] or None,
        reszoo=_origin(model),
    )
    text = body or _body(model, repo)
    return f"---\n{data.to_yaml().strip()}\n---\n\n{text.strip()}\n\n{_accuracies(metrics)}"


def licence_of(model: Checkpoint | Artifact, given: str | None, source: Checkpoint | None) -> str:
    """The licence of the weights. Raises UsageError for an artifact of a checkpoint that is not here, without one."""
    if given:
        return given
    if isinstance(model, Checkpoint):
        return model.licence
    if source is None:
        raise UsageError(
            f"an artifact does not say its licence, and its source {model.source_ref} is not on this machine",
            'Give `licence`, such as MIT, or "unknown".',
        )
    return source.licence


def _licence(text: str) -> dict[str, Any]:
    if text.lower() in LICENCES or text == "unknown":
        return {"license": text.lower()}
    return {"license": "other", "license_name": text}


def _tags(model: Checkpoint | Artifact) -> list[str]:
    return ["reszoo"] + ([model.format, model.precision] if isinstance(model, Artifact) else [])


def _ref(model: Checkpoint | Artifact) -> str:
    return model.source_ref if isinstance(model, Artifact) else model.ref


def _result(metric: Metric) -> "EvalResult":
    from huggingface_hub import EvalResult

    low, high = _interval(metric)
    is_linked = metric.source.startswith("http")
    return EvalResult(
        task_type=TASK,
        dataset_type=DATASETS.get(metric.dataset, metric.dataset),
        dataset_name=metric.dataset,
        dataset_split=metric.split,
        metric_type=metric.name,
        metric_name=f"top-1 accuracy, {metric.origin}",
        metric_value=metric.value,
        metric_args={"n": metric.n, "interval_95": [round(low, 6), round(high, 6)]},
        source_name=metric.origin if is_linked else None,
        source_url=metric.source if is_linked else None,
    )


def _interval(metric: Metric) -> tuple[float, float]:
    low, high = proportion_interval(round(metric.value * metric.n), metric.n)
    return low, high


def _origin(model: Checkpoint | Artifact) -> dict[str, object]:
    """What was done to make it, for machines."""
    facts: dict[str, object] = {"ref": _ref(model), "sha256": model.sha256}
    if isinstance(model, Artifact):
        facts |= {"weights_sha256": model.weights_sha256, "top1_agreement": model.parity.top1_agreement}
    return facts | {"provenance": [_step(step) for step in model.provenance]}


def _step(step: ProvenanceStep) -> dict[str, object]:
    return {"name": step.name, "config": step.config, "versions": step.versions, "input_sha256": step.input_sha256}


def _body(model: Checkpoint | Artifact, repo: str) -> str:
    ref, spec = _ref(model), model.spec if isinstance(model, Checkpoint) else None
    what = f"{summary(spec)}, {spec.num_classes} classes." if spec else ""
    return f"""# {ref}

{what}

    pip install 'reszoo[torch]'
    reszoo predict hf://{repo} IMAGE...
    reszoo export hf://{repo} --to onnx

In Python, `reszoo.load("hf://{repo}")` gives the checkpoint.

| step | what was done |
| --- | --- |
{"".join(_row(step.name, _words(step)) for step in model.provenance)}"""


def _words(step: ProvenanceStep) -> str:
    return ", ".join(f"{name} {value}" for name, value in step.config.items() if value and len(value) < 100)


def _accuracies(metrics: Sequence[Metric]) -> str:
    if not metrics:
        return ""
    rows = [
        _row(
            f"{metric.dataset}/{metric.split}",
            f"{100 * metric.value:.2f} %",
            _percent(metric),
            str(metric.n),
            metric.origin,
        )
        for metric in metrics
    ]
    head = "## Accuracy\n\n| images | top-1 | 95 % interval | n | |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(rows)


def _percent(metric: Metric) -> str:
    return " to ".join(f"{100 * end:.2f}" for end in _interval(metric))


def _row(*cells: str) -> str:
    return f"| {' | '.join(CONTROL.sub(' ', cell) for cell in cells)} |\n"
