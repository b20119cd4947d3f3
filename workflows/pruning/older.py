"""What earlier versions of reszoo wrote about pruning, as this one reads it. No other module knows the older words."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...core import migrations
from ...core.documents import to_builtins
from ...core.files import beside
from ...core.schemas import Fields
from ...core.types import ModelSpec

if TYPE_CHECKING:
    from .steps import Request

SPEED_CHECK = "race.json"
OLDER_FIELDS = {"block_type": "block"}
HASHED = (
    *("family", "block_type", "depths", "widths", "stem_width", "stem", "shortcut", "num_classes", "input"),
    *("bottleneck_width", "norm", "activation", "skip", "se_ratio", "stochastic_depth", "plan"),
)
PARTS = {"opening": "stem", "transition": "transition", "unit": "block"}


def table_from_schema_1(fields: Fields) -> Fields:
    """Of a table of latencies: `signature` was `anatomy`, and its parts had other names."""
    newer = {"signature" if name == "anatomy" else name: value for name, value in fields.items()}
    newer["signature"] = migrations.spec(newer.get("signature"))
    if isinstance(points := fields.get("points"), list):
        newer["points"] = [_point(point) if isinstance(point, dict) else point for point in points]
    return newer


def _point(fields: Fields) -> Fields:
    kind = fields.get("kind")
    return {**fields, "kind": PARTS.get(kind, kind) if isinstance(kind, str) else kind}


def table_from_schema_2(fields: Fields) -> Fields:
    """A signature did not say which spec it is."""
    return {**fields, "signature": migrations.typed(fields.get("signature"))}


def hashed(signature: ModelSpec) -> msgspec.Raw:
    """As schema 1 has it: a table's file in the cache is named by a hash of this, and has to be found.

    A field that came later is in it only where the network needs it.
    """
    values = to_builtins(signature)
    first = {OLDER_FIELDS.get(name, name): values[name] for name in HASHED} | {"builder": ""}
    later = [field for field in msgspec.structs.fields(signature) if field.name not in HASHED]
    return msgspec.Raw(
        msgspec.json.encode(first | {f.name: values[f.name] for f in later if values[f.name] != f.default})
    )


def resumed(request: "Request", is_named: bool) -> "Request":
    """A request to resume a run, with the ref that an earlier version gave it; and its folder, if `out` names none."""
    from ... import zoo

    if request.config.remove != "blocks":
        return request
    name = "-units-".join(request.ref.rsplit("-blocks-", 1))
    folder = request.folder if is_named else request.folder.with_name(name)
    pruned = beside(folder, ".pruned")
    is_newer = not is_named and beside(request.folder, ".pruned").exists()
    if is_newer or not pruned.is_dir() or zoo.read(pruned).ref != name:
        return request
    return request._replace(folder=folder, ref=name)


def speed_check(folder: Path) -> Path:
    """The file of a folder's speed check, if an earlier version wrote one there."""
    return folder / SPEED_CHECK
