"""What a study is: claims and controls as data, and one function that measures a condition."""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from ...core.files import sha256_of
from .records import Claim, Condition, Control, Figure, Measured, Scale, Settings

Measure = Callable[[Condition, int, Settings], Measured]

ENGINE = Path(__file__).parent
# These decide where runs are done, how they are written down and what is made of them, but not what they measure.
AROUND = {"folder", "page", "plotting", "records", "registry", "running", "study", "verdicts"}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question with the runs that answer it. `studies/NAME.py` defines one as `STUDY`.

    name        as on the command line
    title       of its page
    question    one sentence
    data        the data sets that it knows, the first of which is the default
    seeds       runs of each condition, by scale
    metrics     what the figures are, with their units, by the names that runs give them
    claims      what is to be decided
    controls    what is known beforehand, measured by the same probes
    conditions  what is run for each seed
    measure     one run: a condition, a seed and the settings give figures; the same ones always, but for times
    trains      whether runs train networks, with the data set's recipe of `engine.recipes`
    figures     what is plotted
    caveats     what the answer does not say, for the page
    alone       its runs measure time, so that they are done one after the other, however many workers there are
    defined_in  the file that defines it, `__file__`, where that is none of `studies/`
    """

    name: str
    title: str
    question: str
    data: tuple[str, ...]
    seeds: Mapping[Scale, int]
    metrics: Mapping[str, str]
    claims: tuple[Claim, ...]
    controls: tuple[Control, ...]
    conditions: Callable[[Settings], Sequence[Condition]]
    measure: Measure
    trains: bool = False
    figures: tuple[Figure, ...] = ()
    caveats: tuple[str, ...] = ()
    alone: bool = False
    defined_in: str = ""

    @property
    def file(self) -> Path:
        """The file that defines it."""
        if self.defined_in:
            return Path(self.defined_in)
        package = __name__.rpartition(".engine.")[0]
        spec = find_spec(f"{package}.{self.name.replace('-', '_')}")
        return Path(str(spec and spec.origin))

    def recipe(self, settings: Settings) -> dict[str, Any]:
        """The fields of the recipe that its networks are trained with, as on disk; none where it trains none."""
        from .recipes import recipe_for

        document = msgspec.json.encode(recipe_for(settings.data) if self.trains else {})
        return msgspec.json.decode(document, type=dict[str, Any])

    def version(self, settings: Settings) -> str:
        """The hash of what decides its runs: its file, the engine's files that it goes through, and the recipe."""
        files = [self.file, *engine_of(self.file)]
        decisive = msgspec.json.encode(
            [[sha256_of(file) for file in files], self.recipe(settings)], order="deterministic"
        )
        return hashlib.sha256(decisive).hexdigest()


def engine_of(file: Path) -> list[Path]:
    """The engine's files that runs of this study go through: what does a task, and what the file imports, and so on."""
    found, left = set[Path](), {ENGINE / "tasks.py"} | _imported(file)
    while left:
        found |= left
        left = set[Path]().union(*map(_imported, left)) - found
    return sorted(found)


def _imported(file: Path) -> set[Path]:
    """Those of the engine's files that decide something, and whose name is imported anywhere in this one."""
    return {path for name in _imports(file) if name not in AROUND and (path := ENGINE / f"{name}.py").is_file()}


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (module.rpartition(".")[2] for module in modules)


def grid(factors: Mapping[str, Iterable[str | int]]) -> list[Condition]:
    """Every combination: {"family": ("v1", "v2"), "depth": (8, 20)} gives four conditions."""
    return [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]
