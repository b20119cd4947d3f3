"""`verify`: what an artifact, a checkpoint, a measurement or a search claims, measured again."""

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from ..bench.rounding import milliseconds
from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.measured import AGAIN, Comparison, Failure, Host, Measurement, Scenario, Subject
from ..core.progress import Progress, silent
from ..core.types import Artifact, Checkpoint, StrPath

if TYPE_CHECKING:
    from ..core.measured import Among
    from ..datasets.info import Split

T = TypeVar("T")
Outcome = Literal["reproduced", "differs", "cannot be measured here"]
# How far a figure may be from its claim. Accuracies are counted, and published to two digits of a per cent; the same
# files give the same answers but where kernels round otherwise. Latencies of two days are further apart.
ACCURACY = 1e-3
AGREEMENT = 1 / 128
ERROR = 2.0  # times the largest error that was recorded, or 1e-4 where that was less
LATENCY = 0.1
SECONDS = 20.0  # of a comparison
LEFT_OUT = "latencies were left out"


class Verified(NamedTuple):
    """A claim, what was found, and whether that is the same. `by` is how much it differs, or why nothing was found."""

    what: str
    claimed: str
    found: str
    outcome: Outcome
    by: str = ""


def verify(
    *targets: StrPath, latency: bool = True, key: StrPath | None = None, progress: Progress = silent
) -> list[Verified]:
    """Measure again what is claimed: hashes, sizes, parity, accuracies, latencies and their ratios.

    Args:
        *targets: Folders of artifacts, of searches and of measurements; files of measurements and comparisons; names of
            checkpoints, whose cards claim accuracies; hf://OWNER/NAME of either.
        latency: Measure latencies, too, where the machine is the one that the claim is of.
        key: A PEM file with the public key of whoever signed the artifacts. Of a folder that is not what was signed,
            nothing is run. None checks no signature.
        progress: Is told of what is measured.

    Returns:
        Every claim: reproduced, differs, or cannot be measured here. `workflows.verifying.check_verified` raises where
        one differs.

    Raises:
        UsageError: A target is nothing that claims anything, or with a key nothing that is signed.
    """
    found: list[Verified] = []
    for target in targets:
        for what, claims in _claims(os.fspath(target), latency, key, progress):
            progress(f"verifying {what}")
            found += claims
    return found


def check_verified(found: Sequence[Verified]) -> None:
    """Raises ReszooError where a claim differs, UnavailableError where none could be measured, or there was none."""
    if differing := [each for each in found if each.outcome == "differs"]:
        names = "; ".join(f"{each.what}: {each.by}" for each in differing[:3])
        raise ReszooError(f"{len(differing)} of {len(found)} claims differ: {names}")
    if all(each.outcome == "cannot be measured here" for each in found):
        why = found[0].by if found else "There is none."
        raise UnavailableError("none of the claims can be measured here", why)


Claims = Iterator[tuple[str, Iterator[Verified]]]


def _claims(target: str, latency: bool, key: StrPath | None, progress: Progress) -> Claims:
    from ..export.artifacts import is_artifact
    from .optimization.log import ARTIFACT, PLAN
    from .references import resolve_all

    path = Path(target)
    if path.is_dir() and is_artifact(path):
        yield target, _signed(path, key, of_artifact(path))
    elif path.is_dir() and (path / PLAN).is_file():
        yield target, _signed(path / ARTIFACT, key, _of_search(path, latency))
    elif path.is_file() or (path.is_dir() and not (path / "checkpoint.json").is_file()):
        _refuse(key, target)
        yield from _of_files(path, latency)
    else:
        for found in resolve_all([target], progress):
            if isinstance(found, Artifact):
                yield target, _signed(found.path, key, of_artifact(found.path))
            else:
                _refuse(key, target)
                yield found.ref, of_checkpoint(found)


def _refuse(key: StrPath | None, target: str) -> None:
    if key is not None:
        raise UsageError(f"{target} is no artifact, and nothing else is signed", "Leave the key away, or name one.")


def of_artifact(folder: Path) -> Iterator[Verified]:
    """Each file's hash and size, and the parity with its source where that is here."""
    from ..core.documents import read_json
    from ..export.artifacts import FIX, MANIFEST, record

    artifact = read_json(folder / MANIFEST, Artifact, FIX)
    are_whole = True
    for file in artifact.files:
        path = folder / file.name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            are_whole = False
            yield Verified(str(path), file.sha256[:12], "missing", "differs", "the file is missing")
            continue
        now = record(path, folder)
        are_whole &= now == file
        claimed, found = (f"{f.sha256[:12]}, {f.size_bytes:,} bytes" for f in (file, now))
        yield _same(str(path), claimed, found, now == file, "its content is another")
    what = f"{folder}: parity"
    yield _parity(what, folder) if are_whole else lacking(what, "", "what is damaged is not run")


def _signed(folder: Path, key: StrPath | None, claims: Iterator[Verified]) -> Iterator[Verified]:
    """The artifact's signature, and its other claims only where that is right: what is not is not run."""
    from ..export.signing import TamperedError, check_signature

    if key is not None:
        what, claimed = f"{folder}: signature", f"signed with {key}"
        try:
            check_signature(folder, key)
        except TamperedError as error:
            yield Verified(what, claimed, "is not that", "differs", f"{error.problem}. {error.fix}")
            return
        yield Verified(what, claimed, "is that", "reproduced")
    yield from claims


def _parity(what: str, folder: Path) -> Verified:
    from ..export import artifacts, parity
    from ..export.contract.format import formats

    artifact = tried(what, "", lambda: artifacts.read(folder))
    if isinstance(artifact, Verified):
        return artifact
    old = artifact.parity
    claimed = f"top-1 agreement {old.top1_agreement:.4f}, error {old.max_abs_error:.2g}, n = {old.n}"
    source = _source(artifact.source_ref, artifact.weights_sha256)
    if isinstance(source, str):
        return lacking(what, claimed, source)
    seed = int(old.images.rpartition(" ")[2]) if old.images.rpartition(" ")[2].isdecimal() else 0
    name = formats()[artifact.format].parity_runtime
    new = tried(what, claimed, lambda: parity.measured(artifact, source, name, seed))
    if isinstance(new, Verified):
        return new
    if _draw(new.images) != _draw(old.images):
        return lacking(what, claimed, f"it is of {old.images}, and here are {new.images}")
    found = f"top-1 agreement {new.top1_agreement:.4f}, error {new.max_abs_error:.2g}, n = {new.n}"
    is_same = new.top1_agreement >= old.top1_agreement - AGREEMENT and new.max_abs_error <= max(
        ERROR * old.max_abs_error, 1e-4
    )
    by = f"agreement {new.top1_agreement - old.top1_agreement:+.4f}, error {new.max_abs_error - old.max_abs_error:+.2g}"
    return _same(what, claimed, found, is_same, by)


def _draw(images: str) -> str:
    """Without how many there are, which older proofs do not say where they repeat them."""
    return re.sub(r" \(\d+ images, repeated\)", "", images)


def of_checkpoint(checkpoint: Checkpoint) -> Iterator[Verified]:
    """The hash of its weights, and every accuracy of its card whose data set is here."""
    from ..core.files import sha256_of

    path = checkpoint.weights_path
    digest = sha256_of(path)
    yield _same(str(path), checkpoint.sha256[:12], digest[:12], digest == checkpoint.sha256, "its content is another")
    for metric in checkpoint.metrics:
        what = f"{checkpoint.ref}: accuracy on {metric.dataset}/{metric.split} ({metric.origin})"
        yield accuracy_again(what, metric.value, metric.n, checkpoint, metric.dataset, metric.split)


def accuracy_again(
    what: str,
    value: float,
    n: int,
    model: Checkpoint | Artifact,
    dataset: str,
    split: str,
    runtime: str | None = None,
    among: "Among | None" = None,
) -> Verified:
    from .evaluating import evaluate

    claimed = f"{100 * value:.2f} %, n = {n:,}"
    its: Split = split  # type: ignore[assignment]
    found = tried(what, claimed, lambda: evaluate(model, dataset, split=its, runtime=runtime, among=among or "network"))
    if isinstance(found, Verified):
        return found
    if found.n != n:
        return lacking(what, claimed, f"it is of {n:,} images, and {dataset}/{split} has {found.n:,} here")
    by = f"{100 * (found.accuracy - value):+.2f} points"
    now = f"{100 * found.accuracy:.2f} %, n = {found.n:,}"
    return _same(what, claimed, now, abs(found.accuracy - value) <= ACCURACY, by)


def _of_search(folder: Path, latency: bool) -> Iterator[Verified]:
    """Of its artifact: everything; what it did on the test split, and its latency."""
    from ..core.documents import read_json
    from ..export import artifacts
    from ..reporting.search import Search
    from .optimization.log import ARTIFACT, PLAN, RESULT
    from .optimization.records import Plan

    search = read_json(folder / RESULT, Search, "Search again: `optimize(REF)`.")
    plan = read_json(folder / PLAN, Plan, "Search again: `optimize(REF)`.")
    row = next((row for row in search.rows if row.key == search.choice), None)
    if row is None:
        yield lacking(str(folder), search.outcome, "nothing was chosen")
        return
    place = folder / ARTIFACT
    yield from of_artifact(place)
    artifact = tried(f"{folder}: choice", row.key, lambda: artifacts.read(place))
    if isinstance(artifact, Verified):
        yield artifact
        return
    if row.size_bytes is not None:
        claimed, now = f"{row.size_bytes:,} bytes", f"{artifact.size_bytes:,} bytes"
        yield _same(f"{folder}: size", claimed, now, row.size_bytes == artifact.size_bytes, now)
    if test := search.test:
        dataset, _, split = test.split.partition("/")
        what = f"{folder}: accuracy on {test.split}"
        yield accuracy_again(what, test.accuracy.value, test.n, artifact, dataset, split, row.runtime)
    if row.latency_s and not latency:
        yield lacking(f"{folder}: latency", f"{milliseconds(row.latency_s.value)} ms", LEFT_OUT)
    elif row.latency_s:
        engine, _, variant = row.runtime.partition(":")
        scenario = Scenario(
            runtime=engine,
            variant=variant,
            device="cpu",
            batch=search.batch,
            threads=row.threads,
            target=plan.request.target,
        )
        machine = {name: search.machine.get(name, "") for name in ("processor", "cores")}
        yield _latency(f"{folder}: latency", row.latency_s.value, artifact, scenario, machine)


def _of_files(path: Path, latency: bool) -> Claims:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    read = {file: _read(file) for file in files}
    if all(isinstance(each, ReszooError) for each in read.values()):
        reasons = "".join(f": {each.problem}" for each in read.values() if isinstance(each, ReszooError))
        raise UsageError(
            f"{path} claims nothing that can be measured again{reasons if len(read) == 1 else ''}",
            "Name an artifact, a search, a checkpoint, or what `bench` and `compare` have written.",
        )
    for file, found in read.items():
        match found:
            case Comparison():
                yield str(file), of_comparison(found, str(file), latency=latency)
            case Measurement():
                yield str(file), of_measurement(found, str(file), latency)
            case ReszooError(problem=problem):
                yield str(file), iter([lacking(str(file), "", f"it cannot be read: {problem}")])


def _read(file: Path) -> Comparison | Measurement | ReszooError:
    """What it holds, or why that is neither of the two."""
    from ..core.documents import read_json

    try:
        return read_json(file, Comparison, "")
    except ReszooError:
        try:
            return read_json(file, Measurement, "")
        except ReszooError as error:
            return error


def of_measurement(m: Measurement, name: str, latency: bool = True) -> Iterator[Verified]:
    """Its size, its accuracy and, on the same machine, its latency."""
    artifact = _artifact(f"{name}: {m.subject}", m.subject)
    if isinstance(artifact, Verified):
        yield artifact
        return
    claimed, now = f"{m.subject.artifact_bytes:,} bytes", f"{artifact.size_bytes:,} bytes"
    is_same = abs(artifact.size_bytes / m.subject.artifact_bytes - 1) < 0.01  # some files hold names of tools
    yield _same(f"{name}: size", claimed, now, is_same, f"{artifact.size_bytes - m.subject.artifact_bytes:+,} bytes")
    if a := m.accuracy:
        what, runtime = f"{name}: accuracy on {a.where}", m.subject.scenario.runtime_name
        yield accuracy_again(what, a.value, a.n, artifact, a.dataset, a.split, runtime, a.among)
    what = f"{name}: latency"
    if not latency:
        yield lacking(what, f"{milliseconds(m.median_s)} ms", LEFT_OUT)
        return
    yield _latency(what, m.median_s, artifact, m.subject.scenario, _facts(m.host))


def of_comparison(c: Comparison, name: str, seconds: float = SECONDS, *, latency: bool = True) -> Iterator[Verified]:
    """Each ratio to the first, where the machine is the same: measured again in turn."""
    from ..bench.comparison import Contestant, Effort, compare

    entries = [at for at in range(len(c.subjects)) if at != AGAIN]
    elsewhere = _elsewhere(_facts(c.host)) if latency else LEFT_OUT
    whats = [f"{name}: {c.subjects[at]} over {c.subjects[0].scenario.runtime_name}" for at in entries[1:]]
    old = [c.ratio(at) for at in entries[1:]]
    if elsewhere:
        yield from (lacking(what, str(ratio), elsewhere) for what, ratio in zip(whats, old, strict=True))
        return
    made = [_artifact(f"{name}: {c.subjects[at]}", c.subjects[at]) for at in entries]
    if missing := [found for found in made if isinstance(found, Verified)]:
        for what, ratio in zip(whats, old, strict=True):
            yield Verified(what, str(ratio), "", missing[0].outcome, missing[0].by)
        return
    contestants = [
        Contestant(found, _here(c.subjects[at].scenario))
        for at, found in zip(entries, made, strict=True)
        if isinstance(found, Artifact)
    ]
    again = compare(contestants, Effort(precision=0.02, limit_s=seconds))
    for at, (what, ratio) in enumerate(zip(whats, old, strict=True), AGAIN + 1):
        if isinstance(again, Failure):
            yield _failed(what, str(ratio), again)
            continue
        new = again.ratio(at)
        apart = abs(math.log(new.value / ratio.value))
        meet = new.interval.low <= ratio.interval.high and ratio.interval.low <= new.interval.high
        is_same = apart <= LATENCY or meet
        yield _same(what, str(ratio), str(new), is_same, f"{new.value / ratio.value:.2f} times the claim")


def _latency(what: str, claimed_s: float, artifact: Artifact, scenario: Scenario, machine: dict[str, str]) -> Verified:
    from ..bench.harness import measure

    claimed = f"{milliseconds(claimed_s)} ms"
    if elsewhere := _elsewhere(machine):
        return lacking(what, claimed, elsewhere)
    m = measure(artifact, _here(scenario))
    if isinstance(m, Failure):
        return _failed(what, claimed, m)
    low, high = m.interval_s
    found = f"{milliseconds(m.median_s)} ms ({milliseconds(low)} to {milliseconds(high)})"
    is_same = low / (1 + LATENCY) <= claimed_s <= high * (1 + LATENCY)
    return _same(what, claimed, found, is_same, f"{m.median_s / claimed_s:.2f} times the claim")


def _here(scenario: Scenario) -> Scenario:
    """On cores of this machine."""
    from msgspec.structs import replace

    from ..bench.affinity import choose_cores

    return replace(scenario, cores=choose_cores(scenario.threads))


def _artifact(what: str, subject: Subject) -> Artifact | Verified:
    """Made again from its source as it was made, or why it is not."""
    from ..export.contract.options import ExportOptions
    from ..export.exporting import exported

    source = _source(subject.source_ref, subject.weights_sha256)
    if isinstance(source, str):
        return lacking(what, "", source)
    if len(subject.made) > 2 or subject.input_dtype != "float32":
        return lacking(what, "", "it was not made with the format's own options")
    options = ExportOptions(precision=subject.precision)
    return tried(what, "", lambda: exported(source, subject.artifact_format, options))


def _source(ref: str, sha256: str) -> Checkpoint | str:
    from .. import zoo

    found = zoo.find(ref)
    if found is None:
        return f"{ref} is not on this machine"
    return found if found.sha256 == sha256 else f"{ref} has other weights here"


def _facts(host: Host) -> dict[str, str]:
    return {"processor": host.cpu, "cores": str(host.cores), "instruction sets": " ".join(host.instruction_sets)}


def _elsewhere(machine: dict[str, str]) -> str:
    """Why a time of that machine cannot be taken here; "" where it is the same."""
    from ..core import hosts

    here = _facts(hosts.describe())
    other = [name for name, fact in machine.items() if fact != here.get(name)]
    if not other:
        return ""
    return f"it is of another machine: its {other[0]} is {machine[other[0]]}, here {here.get(other[0])}"


def _same(what: str, claimed: str, found: str, is_same: bool, by: str) -> Verified:
    return Verified(what, claimed, found, "reproduced" if is_same else "differs", "" if is_same else by)


def lacking(what: str, claimed: str, reason: str) -> Verified:
    return Verified(what, claimed, "", "cannot be measured here", reason)


def _failed(what: str, claimed: str, failure: Failure) -> Verified:
    """A runtime that is not here says nothing of a claim; one that is, and fails, does."""
    from ..bench.targets.local import HERE

    scenario = failure.scenario
    engine = HERE.engines().get(scenario.runtime) if scenario else None
    if scenario and (engine is None or engine.unavailable(scenario.device, scenario.variant)):
        return lacking(what, claimed, failure.reason)
    return Verified(what, claimed, "", "differs", failure.reason)


def tried(what: str, claimed: str, make: Callable[[], T]) -> T | Verified:
    """What it gives; else what is to be said: that it cannot be had here, or that it went wrong."""
    try:
        return make()
    except (UnavailableError, UsageError) as error:
        return lacking(what, claimed, error.problem)
    except ReszooError as error:
        return Verified(what, claimed, "", "differs", error.problem)
