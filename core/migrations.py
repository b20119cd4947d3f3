"""How checkpoints, artifacts, trainings and data sets of older schemas are read.

In schema 1, some of their fields had other names:

    schema 1             schema 2
    lineage              provenance
    spec.block           spec.block_type
    spec.plan.units      spec.plan.blocks, and so in a step `prune` of the provenance: in the text of its plan
                         and as what it is to `remove`
    certificate.proven   certificate.unchanged_layers
    certificate.reduced  certificate.rescaled_channels

In schema 2, every spec had the fields of a `ResNetSpec` and a `builder`: "" for reszoo's own networks, or the
architecture of another package. In schema 3, its `type` says which spec it is. Artifacts have no spec: they stay at 2.

In schema 4 a training has the hash of its data set's content.

In schema 1 a data set had the number of its `ignored_files`; in schema 2, what is `left_out` has reasons; in schema 3,
it has the hash of its content.

What is not of the expected kind is left as it is: the record is checked after this, and says what is wrong.
"""

from collections.abc import Callable
from typing import Any

from .schemas import Schema, unchanged

FOREIGN = ("builder", "num_classes", "input")  # what is left of the spec of a network that another package builds


def _checkpoint(fields: Any) -> Any:
    return _changed(_with_provenance(fields), "spec", spec)


def _checkpoint_2(fields: Any) -> Any:
    return _changed(fields, "spec", typed)


def _artifact(fields: Any) -> Any:
    return _changed(_with_provenance(fields), "certificate", _certificate)


def _with_provenance(fields: Any) -> Any:
    return _changed(_renamed(fields, "lineage", "provenance"), "provenance", _steps)


def _certificate(fields: Any) -> Any:
    return _renamed(_renamed(fields, "proven", "unchanged_layers"), "reduced", "rescaled_channels")


def _training(fields: Any) -> Any:
    return _changed(fields, "run", _run)


def _training_2(fields: Any) -> Any:
    return _changed(fields, "run", _run_2)


def _dataset(fields: Any) -> Any:
    if not isinstance(fields, dict) or "ignored_files" not in fields:
        return fields
    others = {name: value for name, value in fields.items() if name != "ignored_files"}
    return others | {"left_out": {"no image": fields["ignored_files"]} if fields["ignored_files"] else {}}


def _run(fields: Any) -> Any:
    return _changed(fields, "spec", spec)


def _run_2(fields: Any) -> Any:
    return _changed(fields, "spec", typed)


def spec(fields: Any) -> Any:
    """Of schema 1, as the newest has it."""
    return typed(_changed(_renamed(fields, "block", "block_type"), "plan", _plan))


def typed(fields: Any) -> Any:
    """A spec of schema 2, as the newest has it."""
    if not isinstance(fields, dict):
        return fields
    if fields.get("builder"):
        return {"type": "foreign", **{name: fields[name] for name in FOREIGN if name in fields}}
    return {"type": "resnet", **{name: value for name, value in fields.items() if name != "builder"}}


def _plan(fields: Any) -> Any:
    return _renamed(fields, "units", "blocks")


def _steps(steps: Any) -> Any:
    return [_changed(step, "config", _config) for step in steps] if isinstance(steps, list) else steps


def _config(config: Any) -> Any:
    return _changed(_changed(config, "plan", _plan_text), "remove", _removed)


def _plan_text(text: Any) -> Any:
    return text.replace('"units":', '"blocks":') if isinstance(text, str) else text


def _removed(what: Any) -> Any:
    return "blocks" if what == "units" else what


def _renamed(fields: Any, old: str, new: str) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {new if name == old else name: value for name, value in fields.items()}


def _changed(fields: Any, name: str, change: Callable[[Any], Any]) -> Any:
    return fields | {name: change(fields[name])} if isinstance(fields, dict) and name in fields else fields


CHECKPOINT = Schema(readers={1: _checkpoint, 2: _checkpoint_2, 3: unchanged})
ARTIFACT = Schema(readers={1: _artifact, 2: unchanged})
DATASET = Schema(readers={1: _dataset, 2: unchanged, 3: unchanged})
RUN = Schema(readers={1: _run, 2: _run_2, 3: unchanged, 4: unchanged})
TRAINING = Schema(readers={1: _training, 2: _training_2, 3: unchanged, 4: unchanged})
