"""Housekeeping: what is damaged is named, what nobody uses goes, and what is in use stays."""

import hashlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import started
from shelf import REF, weights, write_card

from reszoo import zoo
from reszoo.core.download import Source, fetched
from reszoo.core.files import staged_folder
from reszoo.zoo import cache as housekeeping
from reszoo.zoo import catalogue


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = weights()
    (tmp_path / "w.pth").write_bytes(content)
    write_card(tmp_path / "cards", (tmp_path / "w.pth").as_uri(), content)
    monkeypatch.setattr(catalogue, "CARDS", tmp_path / "cards")
    return tmp_path / "cards"


def put(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_an_empty_cache(cache: Path) -> None:
    assert housekeeping.checkpoints() == []
    assert housekeeping.verify() == {}
    assert housekeeping.collect_garbage() == housekeeping.collect_garbage(everything=True) == []
    assert not cache.exists()


def test_damaged_checkpoints_are_named(shelf: Path, cache: Path) -> None:
    zoo.download(REF)
    put(cache / "checkpoints" / "resnet8_v1.half" / "weights.safetensors")
    (entry, _) = reversed(housekeeping.checkpoints())
    assert entry.path == cache / "checkpoints" / REF
    assert entry.size_bytes == sum(path.stat().st_size for path in entry.path.iterdir())
    problems = housekeeping.verify()
    assert problems[REF] == ""
    assert "it has no checkpoint.json" in problems["resnet8_v1.half"]
    put(cache / "checkpoints" / REF / "weights.safetensors")
    assert "damaged" in housekeeping.verify()[REF]


def test_leftovers_go_and_what_is_good_stays(shelf: Path, cache: Path) -> None:
    zoo.download(REF)
    left = [
        put(cache / "downloads" / "w.pth.reszoo-part", 1000),
        put(cache / "downloads" / "w.pth.reszoo-part.json"),
        put(cache / "downloads" / "w.pth.reszoo-lock", 0),
        put(cache / "downloads" / "archive.zip.reszoo-part", 5),
        put(cache / "checkpoints" / f".staging-{REF}-a1b2c3d4" / "new" / "weights.safetensors", 7).parents[1],
    ]
    data = put(cache / "data" / "digits" / "images.npy")
    removed = housekeeping.collect_garbage()
    assert {entry.path: entry.size_bytes for entry in removed} == dict(zip(left, (1000, 10, 0, 5, 7), strict=True))
    assert not [path for path in left if path.exists()]
    assert not list(cache.rglob("*.reszoo-lock"))
    assert data.exists()
    assert zoo.load(REF)
    assert housekeeping.collect_garbage() == []

    whole = put(cache / "downloads" / f"{HASH}-whole.pth")
    gone = {entry.path.name for entry in housekeeping.collect_garbage(everything=True)}
    assert gone == {REF, whole.name}
    assert data.exists()


HASH = "0123456789ab"
WORK = (
    "import sys; from pathlib import Path; from reszoo.core.locks import locked\n"
    "with locked(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
)


@pytest.mark.parametrize(
    "name",
    [
        f"checkpoints/{REF}/weights.safetensors",
        f"downloads/{HASH}-w.pth",
        f"downloads/{HASH}-w.pth.reszoo-part",
        f"artifacts/{REF}-{HASH}/onnx-fp32/artifact.json",
        "latency/onnxruntime.cpu.t1.b1.0123456789abcdef.json",
        f"searches/{HASH}-digits-cpu-networks-nsga2.0/journal",
        f"answers/{HASH}/{'0123456789abcdef' * 4}.safetensors",
        f"answers/{REF}-{HASH}-0123456789abcdef.safetensors",
    ],
)
def test_what_another_process_works_on_stays(cache: Path, name: str) -> None:
    path = put(cache / name)
    place = path if path.parent.name in (HASH, "answers", "downloads", "latency") else path.parent
    target = place.with_name(place.name.removesuffix(".reszoo-part"))
    command = [sys.executable, "-c", WORK, str(target)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "in\n"
        assert housekeeping.collect_garbage(everything=True) == []
        assert path.exists()
        process.communicate("")
    assert [entry.path for entry in housekeeping.collect_garbage(everything=True)] == [place]
    assert not path.exists()


def test_an_export_in_flight_stays(cache: Path) -> None:
    """Its files lie in a staging folder, two levels down, and the cache's own folder is empty yet."""
    target = cache / "artifacts" / f"{REF}-{HASH}" / "onnx-fp32"
    with staged_folder(target) as new:
        (new / "model.onnx").touch()
        assert housekeeping.collect_garbage(everything=True) == []
    assert (target / "model.onnx").exists()


def test_a_download_stays_while_it_is_converted(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reszoo.zoo import convert

    seen: list[Path] = []

    def watched(path: Path, converter: str, original: Callable[..., Any] = convert.convert) -> Any:
        seen.append(path)
        assert housekeeping.collect_garbage(everything=True) == []
        return original(path, converter)

    monkeypatch.setattr(convert, "convert", watched)
    zoo.download(REF)
    assert seen
    assert not seen[0].exists()


def test_what_is_the_users_stays(cache: Path) -> None:
    """Whoever sets RESZOO_CACHE=. has other things there, and some under names that we use too."""
    mine = [
        put(cache / "poetry.lock"),
        put(cache / "project" / "poetry.lock"),
        put(cache / "film.part"),
        put(cache / ".staging-mine" / "notes.txt"),
        put(cache / "checkpoints" / "epoch_3" / "model.pt"),
        put(cache / "checkpoints" / REF / "weights.safetensors").with_name("notes.txt"),
        put(cache / "artifacts" / "results" / "table.csv"),
        put(cache / "latency" / "notes.txt"),
        put(cache / "latency" / "mine.json"),
        put(cache / "local" / "settings.json"),
        put(cache / "local" / "0123456789abcdef.json"),
        put(cache / "data" / "poetry.lock", 0),
        put(cache / "downloads" / "film.mkv.part"),
        put(cache / "downloads" / "film.mkv"),
        put(cache / "checkpoints" / ".staging-mine-a1b2c3d4" / "notes.txt"),
        put(cache / "searches" / "flats" / "notes.txt"),
        put(cache / "answers" / HASH / "exam.safetensors"),
    ]
    for path in mine:
        path.touch()
    (cache / "checkpoints" / "empty").mkdir()
    assert housekeeping.collect_garbage(everything=True) == []
    assert [path for path in mine if not path.exists()] == []
    assert (cache / "checkpoints" / "empty").exists()


def test_what_was_made_here_stays_where_it_lies_among_downloads(shelf: Path, cache: Path) -> None:
    zoo.remember(zoo.download(REF))
    assert housekeeping.collect_garbage(everything=True) == []
    assert zoo.find(REF)


def test_a_dry_run_lists_all_that_would_go_and_removes_nothing(shelf: Path, cache: Path) -> None:
    zoo.download(REF)
    put(cache / "downloads" / "w.pth.reszoo-part", 1000)
    put(cache / "downloads" / "other.pth.reszoo-lock", 0)
    put(cache / "checkpoints" / f".staging-{REF}-a1b2c3d4" / "new" / "weights.safetensors", 7)
    put(cache / "local" / f"{'0' * 16}.json").write_text(json.dumps({"schema": 1, "folder": "/gone"}))
    before = {path for path in cache.rglob("*") if path.name != "lock"}
    seen = housekeeping.collect_garbage(everything=True, dry_run=True)
    assert {path for path in cache.rglob("*") if path.name != "lock"} == before
    assert housekeeping.collect_garbage(everything=True) == seen
    assert len(seen) == 5


def test_sixteen_downloads_beside_a_collection_in_a_loop_all_succeed(tmp_path: Path, cache: Path) -> None:
    content = random.Random(0).randbytes(1 << 20)  # noqa: S311
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "w.pth").write_bytes(content)
    ended = threading.Event()

    def collect() -> int:
        rounds = 0
        while not ended.is_set():
            housekeeping.collect_garbage(everything=True)
            rounds += 1
        return rounds

    def bring(number: int) -> list[str]:
        source = Source(url=(tmp_path / "w.pth").as_uri(), sha256=digest)
        target = cache / "downloads" / f"{HASH}-{number % 4}.pth"  # four want the same
        seen = []
        for _ in range(5):
            with fetched(source, target) as found:
                seen += [found, hashlib.sha256(target.read_bytes()).hexdigest()]
        return seen

    with ThreadPoolExecutor(17) as pool:
        collecting = pool.submit(collect)
        try:
            seen = [found for each in pool.map(bring, range(16)) for found in each]
        finally:
            ended.set()
    assert seen == [digest] * 160
    assert collecting.result() > 1
    housekeeping.collect_garbage()
    assert not list(cache.glob("downloads/*"))


def test_a_lock_that_nobody_holds_is_removed_once(cache: Path) -> None:
    """The second time, its name may be that of the lock of whoever has come meanwhile."""
    put(cache / "downloads" / "w.pth.reszoo-lock", 0)
    program = (
        "import sys\n"
        "from reszoo.zoo import cache\n"
        "removed = []\n"
        "sys.addaudithook(lambda event, what: removed.append(str(what[0])) if event == 'os.remove' else None)\n"
        "cache.collect_garbage()\n"
        "print(*removed)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(cache / "downloads" / "w.pth.reszoo-lock")]


def test_what_a_kill_left_between_two_renames_is_restored_and_not_collected(cache: Path) -> None:
    target = cache / "data" / "flowers"
    put(cache / "data" / ".staging-flowers-a1b2c3d4" / "old" / "dataset.json")
    put(cache / "data" / ".staging-flowers-a1b2c3d4" / "new" / "half.npy")
    assert len(housekeeping.collect_garbage(everything=True)) == 1
    assert [path.name for path in target.iterdir()] == ["dataset.json"]
    assert [path.name for path in (cache / "data").iterdir()] == ["flowers"]
