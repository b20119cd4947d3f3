"""How checkpoints, artifacts and trainings of schema 1 are read: some of their fields had other names.

    schema 1             schema 2
    lineage              provenance
    spec.block           spec.block_type
    spec.plan.units      spec.plan.blocks, and so in a step `prune` of the provenance: in the text of its plan
                         and as what it is to `remove`
    certificate.proven   certificate.unchanged_layers
    certificate.reduced  certificate.rescaled_channels

What is not of the expected kind is left as it is: the record is checked after this, and says what is wrong.
"""

from collections.abc import Callable
from typing import Any

from .schemas import Schema, unchanged


def _checkpoint(fields: Any) -> Any:
    return _changed(_with_provenance(fields), "spec", spec)


def _artifact(fields: Any) -> Any:
    return _changed(_with_provenance(fields), "certificate", _certificate)


def _with_provenance(fields: Any) -> Any:
    return _changed(_renamed(fields, "lineage", "provenance"), "provenance", _steps)


def _certificate(fields: Any) -> Any:
    return _renamed(_renamed(fields, "proven", "unchanged_layers"), "reduced", "rescaled_channels")


def _training(fields: Any) -> Any:
    return _changed(fields, "run", _run)


def _run(fields: Any) -> Any:
    return _changed(fields, "spec", spec)


def spec(fields: Any) -> Any:
    return _changed(_renamed(fields, "block", "block_type"), "plan", _plan)


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


CHECKPOINT = Schema(readers={1: _checkpoint, 2: unchanged})
ARTIFACT = Schema(readers={1: _artifact, 2: unchanged})
RUN = Schema(readers={1: _run, 2: unchanged})
TRAINING = Schema(readers={1: _training, 2: unchanged})
