"""`import`: weights from anywhere, in a file or a module, as a checkpoint."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.types import Checkpoint, Preprocess, ProvenanceStep

if TYPE_CHECKING:
    from torch import nn

    from ..zoo.reading import Found, State
    from ..zoo.recognition import Recognised

NAME = re.compile(r"\w[\w.-]*")
SMALL = 64  # the side in pixels up to which a network's images are taken for CIFAR's
ENDINGS = re.compile(r"(\.(pth|pt|th|tar|bin|ckpt|safetensors))+$", re.IGNORECASE)


class Source(NamedTuple):
    """The weights that are imported; `what` names them in errors, `origin` in the provenance."""

    found: "Found"
    what: str
    stem: str
    sha256: str
    origin: dict[str, str]
    module: "nn.Module | None" = None


def import_checkpoint(
    source: "str | os.PathLike[str] | nn.Module",
    *,
    arch: str | None = None,
    labels: "str | os.PathLike[str] | Sequence[str] | None" = None,
    preprocess: str | Preprocess | None = None,
    data: str | None = None,
    licence: str = "unknown",
    name: str | None = None,
    ignore: str | Sequence[str] = (),
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress = silent,
) -> Checkpoint:
    """Import weights that were trained elsewhere. The architecture is told from the tensors, and all of them are used.

    The layouts of torchvision, timm, akamaster, chenyaofo, kuangliu, bearpaw, Wide ResNet and reszoo are known. What
    wrappers add to a file and to the names in it is taken off. Nothing in a file is ever run. What has no weights, such
    as strides and activations, cannot be read from a file: a module is run beside reszoo's network to compare both, a
    file's network should be evaluated.

    Args:
        source: A .pth, .pt, .th, .pth.tar, .bin or .safetensors file, `hf://OWNER/REPO[/FILE]` or another address, or
            a module.
        arch: The architecture's name; None finds it.
        labels: The classes' names in the order of the logits: a file with one in each line, the name of a data set,
            or the names; None is those of `data`, and without it numbers.
        preprocess: "imagenet", "cifar10" or figures, such as "mean=0.5,std=0.25,resize=256,crop=224"; None is
            imagenet or cifar10, by the size of its images, where images have three channels.
        data: The data set that it was trained on, for calibration and accuracy; None names none.
        licence: Of the weights.
        name: The checkpoint's; None is ARCH.FILE.
        ignore: Patterns of tensors to leave out, such as "aux.*".
        out: The checkpoint's folder; None is `runs/NAME`. Another checkpoint there is not replaced.
        progress: Counts the bytes of a download.

    Returns:
        The checkpoint. Its provenance says how it was recognised, and what was assumed.

    Raises:
        UsageError: A name or an option cannot be meant, there are tensors that the network has not, or `out` is taken.
        ReszooError: The file is damaged, no file of weights, or of no network that reszoo knows; or weights are not
            finite.
        UnavailableError: PyTorch is needed to read the file, or nothing may be asked of the network.
    """
    from ..datasets.info import check_name
    from ..datasets.presets import parse_preprocess

    if name is not None and NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot name a checkpoint", "Use letters, digits, `_`, `-` and `.`: resnet20_v1.mine."
        )
    if data is not None:
        check_name(data)
    if isinstance(preprocess, str):
        parse_preprocess(preprocess)
    patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    with _opened(source, progress) as weights:
        return _imported(weights, arch, labels, preprocess, data, licence, name, patterns, out)


def _imported(
    weights: Source,
    arch: str | None,
    labels: "str | os.PathLike[str] | Sequence[str] | None",
    preprocess: str | Preprocess | None,
    data: str | None,
    licence: str,
    name: str | None,
    ignore: tuple[str, ...],
    out: "str | os.PathLike[str] | None",
) -> Checkpoint:
    from msgspec.structs import replace

    from .. import zoo
    from ..zoo.recognition import recognise
    from ..zoo.soundness import check_sound
    from .class_names import class_names

    kept = _kept(weights.found, ignore, weights.what)
    check_sound(kept, weights.what)
    recognised = recognise(kept, weights.what, arch)
    assumed = "" if preprocess else "preprocess"
    prepare = _preprocess(preprocess, recognised.spec.input)
    spec = replace(recognised.spec, input=prepare.input)
    if weights.module is not None:
        _check_module(weights, recognised, spec.input)
    ref = name or f"{recognised.arch}.{weights.stem}"
    made = zoo.save(
        Path(out) if out is not None else Path("runs") / ref,
        recognised.state,
        ref=ref,
        spec=spec,
        preprocess=prepare,
        labels=class_names(labels, data, spec.num_classes),
        dataset=data or "",
        metrics=(),
        licence=licence,
        provenance=_provenance(weights, recognised, ignore, assumed),
    )
    zoo.remember(made)
    return made


@contextmanager
def _opened(source: "str | os.PathLike[str] | nn.Module", progress: Progress) -> Iterator[Source]:
    from ..zoo.fetching import brought
    from ..zoo.reading import read

    if not isinstance(source, str | os.PathLike):
        yield _of_module(source)
        return
    with brought(os.fspath(source), progress) as file:
        stem = re.sub(r"[^\w-]+", "_", ENDINGS.sub("", file.name)).strip("_") or "imported"
        origin = {"url": file.url} if file.url else {}
        what = file.url or str(file.path)
        yield Source(read(file.path), what, stem, file.sha256, {"file": file.name, **origin})


def _of_module(module: "nn.Module") -> Source:
    from ..core.missing import require
    from ..zoo.reading import arrays, unprefixed

    require("torch", "to import a module")
    from torch import nn

    if not isinstance(module, nn.Module):
        raise UsageError(
            f"a {type(module).__name__} cannot be imported", "Give a module, or the path of the file of its weights."
        )
    what = type(module).__name__
    found = unprefixed(arrays(module.state_dict(), what), (), what)
    digest = hashlib.sha256()
    for name, array in found.state.items():
        digest.update(name.encode() + array.tobytes())
    return Source(found, what, what.lower(), digest.hexdigest(), {"module": what}, module)


def _kept(found: "Found", ignore: tuple[str, ...], what: str) -> "State":
    """The tensors that no pattern leaves out, by the name in the file or without its prefixes."""

    def is_ignored(name: str, pattern: str) -> bool:
        return fnmatchcase(name, pattern) or fnmatchcase(found.names[name], pattern)

    for pattern in ignore:
        if not any(is_ignored(name, pattern) for name in found.state):
            raise UsageError(f"{what} has no tensor that `ignore={pattern}` leaves out", "Leave that pattern away.")
    return {
        name: array for name, array in found.state.items() if not any(is_ignored(name, pattern) for pattern in ignore)
    }


def _preprocess(given: str | Preprocess | None, shape: tuple[int, int, int]) -> Preprocess:
    """What was given, for a network with this input; where nothing was, what such networks are mostly trained with."""
    from ..datasets.preprocess import check_channels
    from ..datasets.presets import parse_preprocess

    channels, side, _ = shape
    if isinstance(given, Preprocess):
        check_channels(channels, given, "the weights")
        return given
    if given is None and channels != 3:
        raise UsageError(
            f"the network takes images of {channels} channels, and no preprocessing is usual for these",
            "Say how its images were normalised: `preprocess=mean=0.5,std=0.25,crop=28`.",
        )
    word = given or ("cifar10" if side <= SMALL else "imagenet")
    return parse_preprocess(word).for_input(channels, side)


def _check_module(weights: Source, recognised: "Recognised", shape: tuple[int, int, int]) -> None:
    """By running it beside ours."""
    import torch

    from ..zoo.checkpoints import empty_network
    from ..zoo.logits import check_same_logits

    network = empty_network(recognised.spec)
    network.load_state_dict({key: torch.from_numpy(array) for key, array in recognised.state.items()}, assign=True)
    if weights.module is not None:
        check_same_logits(weights.module, network.eval(), shape, weights.what)


def _provenance(
    weights: Source, recognised: "Recognised", ignore: tuple[str, ...], assumed: str
) -> tuple[ProvenanceStep, ...]:
    """Where the weights are from, and how they were recognised."""
    from ..core.hosts import versions

    told = {
        "layout": recognised.layout,
        "arch": recognised.arch,
        "tensors": str(len(recognised.state)),
        "wrappers": ",".join(weights.found.wrappers),
        "prefixes": ",".join(weights.found.prefixes),
        "ignore": ",".join(ignore),
        "assumed": assumed,
    }
    config = weights.origin | {name: text for name, text in told.items() if text}
    used = versions(("reszoo", "torch", "safetensors"))
    return (ProvenanceStep(name="import", config=config, versions=used, input_sha256=weights.sha256),)
