import subprocess
import sys

import pytest
import torch

from reszoo.core.errors import ReszooError
from reszoo.training.state import Slots


def state(step):
    return {"step": step, "model": {"weight": torch.arange(50_000.0) + step}, "best": None, "rows": [{"lr": 0.1}]}


def test_the_newest_save_is_the_one_to_go_on_from(tmp_path):
    slots = Slots(tmp_path)
    assert not slots.exist()
    for step in (3, 8, 21):
        slots.save(state(step))
        assert Slots(tmp_path).load()["step"] == step
    again = Slots(tmp_path)
    assert torch.equal(again.load()["model"]["weight"], torch.arange(50_000.0) + 21)
    again.save(state(34))  # over that of step 8
    assert sorted(torch.load(path, weights_only=True)["step"] for path in again.paths) == [21, 34]


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "empty"])
def test_a_broken_file_is_named_and_the_one_before_is_whole(tmp_path, damage):
    slots = Slots(tmp_path)
    slots.save(state(1))
    slots.save(state(2))
    older, newer = slots.paths
    content = bytearray(newer.read_bytes())
    if damage == "a flipped bit":
        content[len(content) // 2] ^= 1
    newer.write_bytes(content[: {"cut short": 1000, "empty": 0}.get(damage)])
    with pytest.raises(ReszooError) as caught:
        Slots(tmp_path).load()
    assert f"{newer} is broken" in caught.value.problem
    assert f"Delete it: `resume=True` then goes on from the save before it, {older}." in caught.value.fix
    newer.unlink()
    assert Slots(tmp_path).load()["step"] == 1


def test_the_only_file_broken(tmp_path):
    slots = Slots(tmp_path)
    slots.save(state(1))
    slots.paths[0].write_bytes(b"PK")
    with pytest.raises(ReszooError, match="start again: there was no save before it"):
        Slots(tmp_path).load()


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("gotcha",))

    torch.save({"step": 1, "evil": Evil()}, tmp_path / "resume-a.pt")
    with pytest.raises(ReszooError, match="is broken"):
        Slots(tmp_path).load()


LIMITED = """
import resource, signal, sys
from pathlib import Path
import torch
from reszoo.training.state import Slots

slots = Slots(Path(sys.argv[1]))
for step in (1, 2):
    slots.save({"step": step, "rows": [], "weight": torch.zeros(1000)})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # every write fails from here on, as on a full disk
slots.save({"step": 3, "rows": [], "weight": torch.zeros(1000)})
"""


def test_a_save_that_fails_loses_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resume-a.pt", "resume-b.pt"]
    assert Slots(tmp_path).load()["step"] == 2
