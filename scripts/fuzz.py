"""Give reszoo's readers thousands of damaged inputs: `python scripts/fuzz.py --inputs 5000 --seed 0`.

An input is a good file of one kind with something wrong in it: bytes changed, cut or repeated, or a value of its JSON
that nobody would write. Each is read in a process that reszoo's errors end well in, and nothing else: another exception
is a traceback, the end of the process a crash, more than LIMIT_S seconds a hang; a file that is written outside of the
process's own folder, and a socket, are seen by an audit hook. The same seed gives the same inputs; what is wrong is
printed with the number that `--only` repeats. It ends with 1 if anything is.

`--guided KIND` lets atheris, where it is installed, choose the inputs by the branches that they take.
"""

import argparse
import io
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ROOT / "tests" / "documents" / "schema1"
LIMIT_S = 30.0
START_S = 900.0  # until the imports are done, however busy the machine is
MEMORY_BYTES = 8 << 30  # of addresses: who asks for more gets an error
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.link", "os.symlink")
MEMBERS = (
    "../x.png",
    "/abs/x.png",
    "a/../../x.png",
    "..\\x.png",
    "C:/x.png",
    "x.png",
    "a/b/c.png",
    "a/.png",
    "a/\x1b.png",
    "test/a/x.png",
    f"a/{'x' * 300}.png",
    "a/x.txt",
    "a",
    "a/",
    "ILSVRC2012_val_00000001.JPEG",
)
TOKENS: tuple[bytes, ...] = (
    b"\x00",
    b"\xff" * 8,
    b"../",
    b"\x1b[31m",
    b"9" * 400,
    b"[" * 5000,
    b"{",
    b'"',
    b"1e999",
    b"-1",
)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 10**9, 10**30, -(10**30), 1e308, "", "../x", "/abs/x", "\x1b[31m", "a" * 10_000, "\ud800",
    [], {}, [[]], [0] * 1000, {"a": {}}, "NaN", "torch", "int8", 2**31, 2**63,
)  # fmt: skip


class Kind(NamedTuple):
    """`seeds` are good inputs, as the files of a folder; `read` does all that reszoo does with such a folder."""

    seeds: Callable[[], list[dict[str, bytes]]]
    read: Callable[[Path], object]


def files_of(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def checkpoints() -> list[dict[str, bytes]]:
    from reszoo.zoo import catalogue

    folders = [catalogue.BUNDLED / name for name in ("resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits")]
    return [files_of(folder, "checkpoint.json", "weights.safetensors") for folder in (*folders, DOCUMENTS / "pruned")]


def read_checkpoint(folder: Path) -> None:
    """Also with weights whose hash fits, as a foreign checkpoint has them."""
    from reszoo import zoo
    from reszoo.models.cost import cost_of

    _rehash(folder / "checkpoint.json", lambda document: document, folder / "weights.safetensors")
    checkpoint = zoo.read(folder)
    cost_of(checkpoint.spec)
    zoo.build(checkpoint)


def artifact() -> list[dict[str, bytes]]:
    return [files_of(DOCUMENTS / "artifact", "artifact.json", "model.onnx", "labels.txt")]


def read_artifact(folder: Path) -> None:
    import numpy as np

    from reszoo.export import artifacts
    from reszoo.workflows.predicting import predict

    _rehash(folder / "artifact.json", lambda document: document["files"][0], folder / "model.onnx")
    made = artifacts.read(folder)
    channels, height, width = made.preprocess.input
    if channels in (1, 3) and height * width <= 1 << 20:
        predict(made, np.zeros((height, width, channels), np.uint8))


def _rehash(path: Path, record: Callable[[Any], Any], file: Path) -> None:
    from reszoo.core.files import sha256_of

    try:
        document = json.loads(path.read_bytes())
        record(document).update(sha256=sha256_of(file))
        path.write_text(json.dumps(document))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return  # it is no such document: so it is read as it is


def recipes() -> list[dict[str, bytes]]:
    return [{"r.toml": path.read_bytes()} for path in sorted((ROOT / "training" / "recipes").glob("*.toml"))]


def read_recipe(folder: Path) -> None:
    from reszoo.training import recipe

    recipe.load(folder / "r.toml")


def cards() -> list[dict[str, bytes]]:
    return [{path.name: path.read_bytes()} for path in sorted((ROOT / "zoo" / "cards").glob("*.toml"))]


def read_card(folder: Path) -> None:
    from reszoo.models.cost import cost_of
    from reszoo.zoo import catalogue

    for card in catalogue.read_cards.__wrapped__(folder).values():
        cost_of(card.model_spec())


def measurements() -> list[dict[str, bytes]]:
    return [{"m.json": (DOCUMENTS / f"{name}.json").read_bytes()} for name in ("measurement", "comparison")]


def read_measurement(folder: Path) -> None:
    from reszoo.core.documents import read_json
    from reszoo.core.errors import ReszooError
    from reszoo.core.measured import Comparison
    from reszoo.workflows.reporting import report

    try:
        report([folder / "m.json"])
    except ReszooError:
        read_json(folder / "m.json", Comparison, "")


def weights() -> list[dict[str, bytes]]:
    import torch

    from reszoo import models
    from reszoo.zoo import catalogue

    state = models.build(models.spec_of("resnet8_v1")).state_dict()
    buffer = io.BytesIO()
    torch.save({"state_dict": state, "epoch": 3}, buffer)
    native = catalogue.BUNDLED / "resnet8_v1.reszoo_cifar10" / "weights.safetensors"
    return [{"w.pth": buffer.getvalue()}, {"w.safetensors": native.read_bytes()}]


def read_weights(folder: Path) -> None:
    from reszoo import import_checkpoint

    (path,) = folder.iterdir()
    import_checkpoint(path, out=folder.with_name("imported"))


def images() -> list[dict[str, bytes]]:
    import numpy as np
    from PIL import Image

    made, pixels = [], np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    for kind in ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        made.append({"image": buffer.getvalue()})
    return made


def read_image(folder: Path) -> None:
    from reszoo.export.predicting import read_image as read

    read(folder / "image", 3)


def zips() -> list[dict[str, bytes]]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, files in enumerate(images()[:2] * 2):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", files["image"])
    return [{"i.zip": buffer.getvalue()}]


def read_zip(folder: Path) -> None:
    from reszoo import datasets

    datasets.add("fuzzed", [folder / "i.zip"], replace=True)
    list(datasets.load("fuzzed", "trainval").labels)


def installed() -> list[dict[str, bytes]]:
    from reszoo import datasets
    from reszoo.datasets import info

    with TemporaryDirectory() as name:
        (Path(name) / "i.zip").write_bytes(zips()[0]["i.zip"])
        datasets.add("seed", [Path(name) / "i.zip"], replace=True)
    home = info.home("seed")
    return [{str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}]


def read_installed(folder: Path) -> None:
    from reszoo import datasets
    from reszoo.datasets import info

    home = info.home("seed")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(folder, home)
    opened = datasets.load("seed", "trainval")
    list(opened.labels[:3])


def names() -> list[dict[str, bytes]]:
    known = ("resnet20_v2+skip=gate", "wide_resnet28_10_v2", "resnet8_v1.reszoo_digits", "hf://owner/repo@main/file")
    return [{"name": name.encode()} for name in known]


def read_name(folder: Path) -> None:
    from reszoo.core.errors import ReszooError
    from reszoo.core.refs import check_ref, inside
    from reszoo.models import spec_of
    from reszoo.models.cost import cost_of
    from reszoo.zoo import fetching
    from reszoo.zoo import names as known

    text = (folder / "name").read_bytes().decode(errors="surrogateescape")
    inner = folder / "inner"
    for call in (
        lambda: cost_of(spec_of(text)),
        lambda: check_ref(text),
        lambda: inside(inner, text).relative_to(inner),
        lambda: known.resolve(text),
        lambda: fetching.addresses(text),
    ):
        try:
            call()
        except ReszooError:
            continue


KINDS = {
    "checkpoint": Kind(checkpoints, read_checkpoint),
    "artifact": Kind(artifact, read_artifact),
    "recipe": Kind(recipes, read_recipe),
    "card": Kind(cards, read_card),
    "measurement": Kind(measurements, read_measurement),
    "weights": Kind(weights, read_weights),
    "image": Kind(images, read_image),
    "zip": Kind(zips, read_zip),
    "dataset": Kind(installed, read_installed),
    "name": Kind(names, read_name),
}


def mutated(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """One or a few things changed in one of the files."""
    name = rng.choice(sorted(files))
    content = files[name]
    if name.endswith(".json") and rng.random() < 0.7:
        content = _other_values(content, rng)
    elif name.endswith(".zip") and rng.random() < 0.7:
        content = _other_member(content, rng)
    else:
        for _ in range(rng.choice((1, 1, 2, 8))):
            content = _other_bytes(content, rng)
    return files | {name: content}


def _other_bytes(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    until = min(len(content), at + rng.choice((1, 4, 64, 1024)))
    match rng.randrange(5):
        case 0:
            return content[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in content[at:until]) + content[until:]
        case 1:
            return content[:at]
        case 2:
            return content[:at] + content[until:]
        case 3:
            return content[:until] + content[at:]
        case _:
            return content[:at] + rng.choice(TOKENS) + content[at:]


def _other_values(content: bytes, rng: random.Random) -> bytes:
    document = json.loads(content)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(document))
        holder, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(holder[key])
            case 2 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = holder[key] * rng.choice((-1, 2, 1000, 10**9)) + rng.choice((0, 1))
            case _:
                holder[key] = rng.choice(VALUES)
    return json.dumps(document, ensure_ascii=rng.random() < 0.9).encode(errors="surrogatepass")


def _other_member(content: bytes, rng: random.Random) -> bytes:
    """One member of a zip has another name, other bytes, or other attributes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = rng.choice(old.namelist())
        for info in old.infolist():
            member = old.read(info)
            if info.filename == chosen:
                info.filename = rng.choice((*MEMBERS, info.filename))
                info.external_attr = rng.choice((info.external_attr, 0o120777 << 16, 0o010644 << 16, 0xFFFFFFFF))
                member = rng.choice((member, b"", _other_bytes(member, rng)))
            new.writestr(info, member)
    return made.getvalue()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def child(kind: str, seed: int, first: int, last: int, work: Path) -> None:
    """Read the inputs, and say on standard output what each came to, one line each."""
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from reszoo.core.errors import ReszooError

    seeds, wrong = KINDS[kind].seeds(), Wrong(work)
    for files in seeds:
        KINDS[kind].read(_written(work, files))  # a good one has to be
    sys.addaudithook(wrong.hook)
    for number in range(first, last):
        told.write(json.dumps({"number": number}) + "\n")
        rng = random.Random(f"{kind} {seed} {number}")  # noqa: S311
        folder = _written(work, mutated(rng.choice(seeds), rng))
        result, detail = "read", ""
        try:
            KINDS[kind].read(folder)
        except ReszooError as error:
            result, detail = "refused", error.problem
            if "\n" in error.problem.strip():
                detail = f"several lines: {error.problem!r}"
        except Exception:
            result, detail = "traceback", traceback.format_exc()
        if wrong.seen:
            result, detail = "outside", "; ".join(wrong.seen)
            wrong.seen.clear()
        told.write(json.dumps({"number": number, "result": result, "detail": detail}) + "\n")


def _written(work: Path, files: dict[str, bytes]) -> Path:
    """The files of an input in a fresh folder."""
    folder = work / "input"
    for old in (folder, work / "imported"):
        shutil.rmtree(old, ignore_errors=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


class Wrong:
    """What the process does that it must not: files outside of its folder, and sockets."""

    def __init__(self, work: Path) -> None:
        self.work, self.seen = str(work), list[str]()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in NETWORK:
            self.seen.append(f"{event} {arguments[1:]!r}")
        elif (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES) or event in CHANGES:
            path = arguments[0]
            if isinstance(path, str | bytes | os.PathLike) and not self._is_ours(os.fsdecode(path)):
                self.seen.append(f"{event} {os.fsdecode(path)!r}")

    def _is_ours(self, path: str) -> bool:
        return os.path.abspath(path).startswith((self.work, "/dev/", "/proc/")) or "__pycache__" in path  # noqa: PTH100


class Outcome(NamedTuple):
    number: int
    result: str
    detail: str


def outcomes(kind: str, seed: int, first: int, last: int) -> Iterator[Outcome]:
    """Of each input in turn; a new process goes on after one that died or hung."""
    while first < last:
        with TemporaryDirectory(prefix="reszoo-fuzz-") as name:
            for outcome in _of_one_process(kind, seed, first, last, Path(name)):
                first = outcome.number + 1
                yield outcome


def _of_one_process(kind: str, seed: int, first: int, last: int, work: Path) -> Iterator[Outcome]:
    for place in ("cache", "tmp", "home", "here"):
        (work / place).mkdir()
    more = {"RESZOO_CACHE": work / "cache", "TMPDIR": work / "tmp", "HOME": work / "home", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-B", __file__, "--child", kind, str(seed), str(first), str(last), str(work)]
    environment = os.environ | {name: str(value) for name, value in more.items()} | {"RESZOO_OFFLINE": "1"}
    with (
        (work / "said").open("wb") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, cwd=work / "here", env=environment) as process,
    ):
        stdout = process.stdout or sys.exit("no pipe")
        number, limit_s, unread = first, START_S, b""
        while True:
            while b"\n" not in unread:
                if not select.select([stdout], [], [], limit_s)[0]:
                    process.kill()
                    yield Outcome(number, "hang", f"more than {limit_s:g} s")
                    return
                read = os.read(stdout.fileno(), 1 << 16)
                if not read:
                    if number < last and process.wait() != 0:
                        yield Outcome(number, "crash", f"{process.returncode}: {_last_words(work / 'said')}")
                    return
                unread += read
            line, _, unread = unread.partition(b"\n")
            told, limit_s = json.loads(line), LIMIT_S
            number = told["number"]
            if "result" in told:
                yield Outcome(**told)
                number += 1


def _last_words(path: Path) -> str:
    return path.read_bytes()[-300:].decode(errors="replace")


def guided(kind: str, seconds: int) -> None:
    """Inputs chosen by coverage, of a kind that is one file. What is wrong ends it, and atheris keeps the input."""
    atheris: Any = import_module("atheris")

    from reszoo.core.errors import ReszooError

    with TemporaryDirectory(prefix="reszoo-fuzz-") as name:
        work = Path(name)
        os.environ["RESZOO_CACHE"] = str(work / "cache")
        with atheris.instrument_imports(
            include=["reszoo", "tomllib", "zipfile"]
        ):  # what is read with is imported by reading
            seeds = KINDS[kind].seeds()
            for files in seeds:
                KINDS[kind].read(_written(work, files))
        ((file, _),) = seeds[0].items()
        (work / "corpus").mkdir()
        for number, files in enumerate(seeds):
            (work / "corpus" / str(number)).write_bytes(next(iter(files.values())))

        def one(content: bytes) -> None:
            try:
                KINDS[kind].read(_written(work, {file: content}))
            except ReszooError:
                return

        limits = [f"-max_total_time={seconds}", f"-timeout={LIMIT_S:.0f}", f"-rss_limit_mb={MEMORY_BYTES >> 20}"]
        atheris.Setup([sys.argv[0], *limits, str(work / "corpus")], one)
        atheris.Fuzz()


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        kind, *numbers, work = sys.argv[2:]
        seed, first, last = map(int, numbers)
        child(kind, seed, first, last, Path(work))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=500, help="in all, of all kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--only", metavar="NUMBER", type=int, help="just this input of each kind")
    parser.add_argument("--guided", metavar="KIND", help="by coverage, with atheris")
    parser.add_argument("--seconds", type=int, default=60, help="with --guided")
    parser.add_argument("--out", type=Path, help="JSON with the counts")
    given = parser.parse_args()
    if given.guided:
        guided(given.guided, given.seconds)
        return
    kinds = given.kinds.split(",")
    first, last = (given.only, given.only + 1) if given.only is not None else (0, -(-given.inputs // len(kinds)))
    counts: dict[str, Counter[str]] = {}
    for kind in kinds:
        counts[kind] = Counter()
        for outcome in outcomes(kind, given.seed, first, last):
            counts[kind][outcome.result] += 1
            if outcome.result not in ("read", "refused") or outcome.detail.startswith("several lines"):
                print(f"{kind} --seed {given.seed} --only {outcome.number}: {outcome.result}\n{outcome.detail}\n")
        print(kind, dict(counts[kind]), flush=True)
    if given.out:
        by_kind = {kind: dict(sorted(each.items())) for kind, each in counts.items()}
        found = {"schema": 1, "seed": given.seed, "inputs": sum(map(Counter.total, counts.values()))}
        given.out.write_text(json.dumps(found | {"by_kind_and_outcome": by_kind}, indent=2) + "\n")
    sys.exit(any(result not in ("read", "refused") for each in counts.values() for result in each))


if __name__ == "__main__":
    main()
