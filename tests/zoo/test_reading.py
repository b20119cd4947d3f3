"""Files as people have them: wrapped, prefixed, halved, and what is no file of weights at all."""

import bz2
import io
import lzma
import pickle
import re
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reszoo.core.errors import ReszooError
from reszoo.zoo.reading import read

STATE: dict[str, torch.Tensor] = {
    "conv1.weight": torch.arange(6.0).reshape(1, 6),
    "bn1.num_batches_tracked": torch.tensor(7),
}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}
# As Adam saves it, with moments of the weights' shapes.
OPTIMIZER: dict[str, Any] = {"state": {0: {"step": 1, "exp_avg": torch.zeros(1, 6)}}, "param_groups": [{"lr": 0.1}]}


def wrapped(*keys: str) -> Any:
    document: Any = STATE
    for key in reversed(keys):
        document = {key: document, "epoch": 3, "optimizer": OPTIMIZER}
    return document


def assert_read(path: Path) -> None:
    found = read(path)
    assert found.state.keys() == STATE.keys()
    np.testing.assert_array_equal(found.state["conv1.weight"], STATE["conv1.weight"].numpy())
    assert found.state["bn1.num_batches_tracked"] == 7


@pytest.mark.parametrize(
    "keys",
    [
        (),
        *((key,) for key in ("state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "weights")),
        ("model_ema", "state_dict"),
        ("checkpoint", "model"),
        ("ema", "module"),
        ("checkpoint", "model", "module"),
        ("fold", "weights"),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".pth.tar", ".bin"])
def test_wrappers_in_any_nesting(tmp_path: Path, keys: tuple[str, ...], suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    torch.save(wrapped(*keys), path)
    assert_read(path)
    assert read(path).wrappers == keys


WITH_MORE: dict[str, tuple[Any, tuple[str, ...]]] = {
    "averages of EMA without weights": ({"state_dict": STATE, "ema": {}}, ("state_dict",)),
    "averages of torch_ema, a list": (
        {"model": STATE, "ema": {"decay": 0.999, "num_updates": 5, "shadow_params": [torch.zeros(1, 6)]}},
        ("model",),
    ),
    "a description under a known key": ({"model": {"arch": "resnet18"}, "weights": STATE}, ("weights",)),
    "tensors beside them": (
        {"weights": STATE, "best": torch.tensor(0.5), "confusion": torch.zeros(2, 2)},
        ("weights",),
    ),
    "the number of a fold": ({0: STATE}, ("0",)),
    "figures in a mapping": ({"weights": STATE, "norm": {"mean": torch.zeros(3)}}, ("weights",)),
    "the same under two keys": ({"net": STATE, "model": STATE}, ("net",)),
}


@pytest.mark.parametrize("kind", WITH_MORE)
def test_weights_are_found_where_they_are(tmp_path: Path, kind: str) -> None:
    document, wrappers = WITH_MORE[kind]
    torch.save(document, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")
    assert read(tmp_path / "mine.pth").wrappers == wrappers


def test_of_several_networks_none_is_guessed(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "student": STATE, "teacher": OTHER}, tmp_path / "mine.pth")
    with pytest.raises(ReszooError, match="holds several state dicts: student, teacher") as caught:
        read(tmp_path / "mine.pth")
    assert "torch.save(checkpoint['student'], 'weights.pth')" in caught.value.fix


def test_a_document_that_holds_itself_has_an_end(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless |= {"model": endless, "net": endless}
    torch.save(endless, tmp_path / "mine.pth")
    with pytest.raises(ReszooError, match="model is of type dict, expected a tensor"):
        read(tmp_path / "mine.pth")
    torch.save(endless | {"weights": STATE}, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")


def test_a_few_bytes_that_stand_for_many_tensors_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1).expand(10**11, 1)}, tmp_path / "mine.pth")
    with pytest.raises(ReszooError, match="its tensors 400000000000: they repeat some values"):
        read(tmp_path / "mine.pth")
    tied = torch.arange(3e3).reshape(1, -1)
    torch.save({"one.weight": tied, "other.weight": tied}, tmp_path / "mine.pth")
    assert len(read(tmp_path / "mine.pth").state) == 2


def test_of_two_the_averaged_weights_are_taken(tmp_path: Path) -> None:
    torch.save({"model": OTHER, "model_ema": STATE}, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")
    assert read(tmp_path / "mine.pth").wrappers == ("model_ema",)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "backbone.",
        "net.",
        "encoder.",
        "resnet.",
        "base_model.",
        "module._orig_mod.model.",
        "_orig_mod.module.backbone.",
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_prefixes_in_any_nesting(tmp_path: Path, prefix: str, suffix: str) -> None:
    path, state = tmp_path / f"mine{suffix}", {prefix + name: tensor for name, tensor in STATE.items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert_read(path)
    assert read(path).prefixes == (prefix,)


def test_a_prefix_of_some_names_and_the_counter_of_averaging(tmp_path: Path) -> None:
    state = {"backbone.conv1.weight": STATE["conv1.weight"], "bn1.num_batches_tracked": torch.tensor(7)}
    torch.save(state | {"n_averaged": torch.tensor(3)}, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")


def test_two_networks_in_one_file_are_told_apart_by_no_guess(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    for one, other in (("", "model."), ("model.", ""), ("model.", "net."), ("net.model.", "net.")):
        torch.save(
            {one + name: tensor for name, tensor in STATE.items()}
            | {other + name: tensor for name, tensor in OTHER.items()},
            path,
        )
        with pytest.raises(ReszooError, match=rf"{one}conv1\.weight and {other}conv1\.weight differ") as caught:
            read(path)
        hint = re.search(r"`ignore='(.*)'`", caught.value.fix)
        assert hint is not None
        kept = read(path, [hint[1]])
        assert len(kept.left_out) == len(kept.state) == len(STATE)


def test_a_network_that_is_there_twice_is_one(tmp_path: Path) -> None:
    torch.save(STATE | {f"model.{name}": tensor for name, tensor in STATE.items()}, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")


def test_what_is_left_out_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save(STATE | {"head._extra_state": None, "step": 3}, path)
    with pytest.raises(ReszooError, match=r"head\._extra_state is of type NoneType, expected a tensor"):
        read(path)
    found = read(path, ["*_extra_state", "step"])
    assert found.left_out == ("head._extra_state", "step")
    assert found.state.keys() == STATE.keys()


def test_a_pattern_counts_for_the_names_in_the_file_first(tmp_path: Path) -> None:
    torch.save({"model.conv1.weight": OTHER["conv1.weight"]} | STATE, tmp_path / "mine.pth")
    assert read(tmp_path / "mine.pth", ["conv1.*"]).left_out == ("conv1.weight",)
    assert read(tmp_path / "mine.pth", ["model.*"]).left_out == ("model.conv1.weight",)
    torch.save({f"model.{name}": tensor for name, tensor in STATE.items()}, tmp_path / "mine.pth")
    assert read(tmp_path / "mine.pth", ["bn1.*"]).left_out == ("model.bn1.num_batches_tracked",)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions(tmp_path: Path, dtype: torch.dtype, suffix: str) -> None:
    path, state = tmp_path / f"mine{suffix}", {name: tensor.to(dtype) for name, tensor in STATE.items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    found = read(path).state
    np.testing.assert_array_equal(found["conv1.weight"].astype(np.float32), STATE["conv1.weight"].numpy())


def test_safetensors_are_known_whatever_their_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "mine.pth")
    assert_read(tmp_path / "mine.pth")


def test_the_pickles_of_older_versions(tmp_path: Path) -> None:
    torch.save(OrderedDict(STATE), tmp_path / "mine.pth", _use_new_zipfile_serialization=False)
    assert_read(tmp_path / "mine.pth")


def script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and people have its files
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)  # type: ignore[no-untyped-call]


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), path.with_suffix(".pt2"))
    path.with_suffix(".pt2").rename(path)


def onnx(path: Path) -> None:
    import onnx as library

    tensor = library.helper.make_tensor_value_info("x", library.TensorProto.FLOAT, [1])
    node = library.helper.make_node("Identity", ["x"], ["y"])
    graph = library.helper.make_graph([node], "g", [tensor], [library.helper.make_tensor_value_info("y", 1, [1])])
    library.save(library.helper.make_model(graph, producer_name="pytorch"), path)


def tar(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            for name in names:
                archive.addfile(tarfile.TarInfo(name), io.BytesIO())

    return make


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mine.pth", b"")


def cut_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("mine.pth")
        member.size = 4000
        archive.addfile(member, io.BytesIO(b"w" * 4000))
        archive.addfile(tarfile.TarInfo("other.pth"))
    path.write_bytes(path.read_bytes()[:3000])


def keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", "{}")
        made.writestr("model.weights.h5", b"")


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, w=np.zeros(2))


def cut(suffix: str, keep: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        save_file(STATE, path) if suffix == ".safetensors" else torch.save(STATE, path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return make


def pickled(value: object) -> Callable[[Path], None]:
    return lambda path: torch.save(value, path)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("w/data.pkl", b"")
        packed.writestr("w/data/0", bytes(10_000_000))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 46800000\n"
# What it is -> how it is made, and what is said.
IMPOSTERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "TorchScript": (script, "is a TorchScript program", r"torch\.jit\.load\(FILE\)\.state_dict\(\)"),
    "torch.export": (exported, r"is a program of torch\.export", "Write the weights alone"),
    "a module": (pickled(nn.Linear(2, 2)), r"contains code \(torch\.nn\.modules\.linear\.Linear\)", r"torch\.save\("),
    "a module, wrapped": (pickled({"model": nn.Linear(2, 2)}), r"contains code .*none of it was run", r"torch\.save\("),
    "an old tar": (tar("sys_info", "pickle", "storages", "tensors"), "a tar of PyTorch's oldest format", "0.1.1"),
    "a tar": (tar("mine.pth"), "is a tar archive", "Unpack it"),
    "a cut tar": (cut_tar, "is a damaged tar archive", "again"),
    "npz": (npz, r"is an archive of NumPy's arrays \(\.npz\)", "Only PyTorch's files"),
    "Keras": (keras, "is a model of Keras", "Only PyTorch's files"),
    "bzip2": (lambda path: path.write_bytes(bz2.compress(b"w")), "is a bzip2 archive", "Unpack it"),
    "xz": (lambda path: path.write_bytes(lzma.compress(b"w")), "is an xz archive", "Unpack it"),
    "zeros": (lambda path: path.write_bytes(bytes(4096)), "is damaged, or holds more than", "again"),
    "a zip": (archive, "is a zip archive that PyTorch did not write", "Unpack it"),
    "a bomb": (bomb, r"has \d+ bytes, and unpacks to 1\d{7}", "torch.save does not compress"),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b\x08\x00"), "is a gzip archive", "Unpack it"),
    "HDF5": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "is an HDF5 file", "Only PyTorch's files"),
    "ONNX": (onnx, "looks like an ONNX file", "Import the weights that it was exported from"),
    "Git LFS": (lambda path: path.write_bytes(POINTER), "is a pointer of Git LFS", "git lfs pull"),
    "HTML": (lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>"), "is a web page", "Download the file itself"),
    "empty": (lambda path: path.write_bytes(b""), "is damaged: it is empty", "again"),
    "cut zip": (cut(".pth", 0.7), "is damaged: it ends before its own table of contents", "again"),
    "cut safetensors": (cut(".safetensors", 0.9), "is damaged, or is no safetensors file", "again"),
    "no state": (pickled({"a": 1}), "a is of type int, expected a tensor", "Write the weights alone"),
    "nothing": (pickled({}), "holds nothing, expected a state dict", "Write the weights alone"),
    "a tensor": (pickled(torch.zeros(2)), "holds an object of type Tensor, expected a state dict", "Write the weights"),
    "text": (lambda path: path.write_text("Not found"), "is damaged, or holds more than a plain state dict", "again"),
    "a pickle": (
        lambda path: path.write_bytes(pickle.dumps({"a": [1]})),
        "is damaged, or holds more than",
        "alone",
    ),
    "complex": (pickled({"w": torch.zeros(2, dtype=torch.complex64)}), r"w is of torch\.complex64", "plain floats"),
}


@pytest.mark.parametrize("kind", IMPOSTERS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_imposter_is_named_for_what_it_is(tmp_path: Path, kind: str, suffix: str) -> None:
    make, said, fix = IMPOSTERS[kind]
    path = tmp_path / f"mine{suffix}"
    make(path)
    if suffix == ".safetensors" and kind in ("text", "zeros"):
        said = "is damaged, or is no safetensors file"
    with pytest.raises(ReszooError, match=said) as caught:
        read(path)
    assert caught.value.problem.startswith(str(path))
    assert re.search(fix, caught.value.fix)
