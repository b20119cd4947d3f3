"""`import`: weights from anywhere, in a file or a module, as a checkpoint."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.types import Checkpoint, ModelSpec, Preprocess, ProvenanceStep

if TYPE_CHECKING:
    from torch import nn

    from ..zoo.reading import Found, State
    from ..zoo.recognition import Recognised

ENDINGS = re.compile(r"(\.(pth|pt|th|tar|bin|ckpt|safetensors))+$", re.IGNORECASE)
LONGEST_TITLE = 60  # characters of a file's name in a checkpoint's


class Source(NamedTuple):
    """The weights that are imported.

    what    names them in errors
    title   names them in the checkpoint's name
    origin  what the provenance says of where they are from
    module  what they are from, if that is no file
    """

    found: "Found"
    what: str
    title: str
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

    The layouts of torchvision, timm, transformers, akamaster, chenyaofo, kuangliu, bearpaw, Wide ResNet and reszoo are
    known. What wrappers add to a file and to the names in it is taken off. Nothing in a file is ever run. What has no
    weights, such as strides and activations, cannot be read from a file: a module is run beside reszoo's network to
    compare both, a file's network should be evaluated.

    Args:
        source: A .pth, .pt, .th, .pth.tar, .bin or .safetensors file, `hf://OWNER/REPO[@REVISION][/FILE]` or another
            address, or a module.
        arch: The architecture's name; None finds it. What leaves no trace in the weights is as the name says, such as
            `resnet20_v1+activation=silu`.
        labels: The classes' names in the order of the logits: a file with one in each line, the name of a data set,
            or the names; None is those of `data`, and without it numbers.
        preprocess: "imagenet", "cifar10" or figures, such as "mean=0.5,std=0.25,resize=256,crop=224"; None is what the
            public weights of the same layout were trained with, where images have three channels.
        data: The data set that it was trained on, for calibration and accuracy; None names none.
        licence: Of the weights.
        name: The checkpoint's; None is ARCH.FILE.
        ignore: Patterns of tensors to leave out, such as "aux.*".
        out: The checkpoint's folder; None is `runs/NAME`. Another checkpoint there is not replaced.
        progress: Counts the bytes of a download.

    Returns:
        The checkpoint. Its provenance says how it was recognised, and what was assumed.

    Raises:
        UsageError: A name or an option cannot be meant, there are surplus tensors, several networks have these tensors,
            or `out` is taken.
        ReszooError: The file is damaged, no file of weights, or of no network that reszoo knows; or weights are not
            finite.
        UnavailableError: PyTorch is needed to read the file, or nothing may be asked of the network.
    """
    from msgspec.structs import replace

    from .. import zoo
    from ..core.files import check_replaceable
    from ..core.refs import check_ref, inside
    from ..datasets.info import check_name
    from ..datasets.presets import parse_preprocess
    from ..models import spec_of
    from .class_names import class_names

    if name is not None:
        check_ref(name)
    if arch is not None:
        spec_of(arch)
    if data is not None:
        check_name(data)
    if isinstance(preprocess, str):
        parse_preprocess(preprocess)
    named = class_names(labels, data)
    folder = Path(out) if out is not None else inside(Path("runs"), name) if name else None
    if folder:
        check_replaceable(folder)
    patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    with _opened(source, patterns, progress) as weights:
        recognised = _recognised(weights, arch)
        prepare, assumed = _preprocess(preprocess, recognised)
        spec = replace(recognised.spec, input=prepare.input)
        if weights.module is not None:
            _check_module(weights.module, recognised.state, spec, weights.what)
        ref = name or f"{recognised.arch}.{weights.title}"
        made = zoo.save(
            folder or inside(Path("runs"), ref),
            recognised.state,
            ref=ref,
            spec=spec,
            preprocess=prepare,
            labels=named.of(spec.num_classes),
            dataset=data or "",
            metrics=(),
            licence=licence,
            provenance=_provenance(weights, recognised, patterns, assumed),
        )
    zoo.remember(made)
    return made


@contextmanager
def _opened(
    source: "str | os.PathLike[str] | nn.Module", ignore: tuple[str, ...], progress: Progress
) -> Iterator[Source]:
    from ..zoo.fetching import opened
    from ..zoo.reading import read

    if not isinstance(source, str | os.PathLike):
        yield _of_module(source, ignore)
        return
    with opened(os.fspath(source), progress) as file:
        title = re.sub(r"[^\w-]+", "_", ENDINGS.sub("", file.title)).strip("_")[:LONGEST_TITLE] or "imported"
        origin = {"file": file.name} | ({"url": file.url} if file.url else {})
        found, what = read(file.path, ignore), file.url or str(file.path)
        what += f" ({'.'.join(found.wrappers)})" if found.wrappers else ""  # which of several networks it is
        yield Source(found, what, title, file.sha256, origin)


def _of_module(module: "nn.Module", ignore: tuple[str, ...]) -> Source:
    from ..core.missing import require
    from ..zoo.reading import weights_of

    require("torch", "to import a module")
    from torch import nn

    if not isinstance(module, nn.Module):
        raise UsageError(
            f"an object of type {type(module).__name__} cannot be imported",
            "Give a module, or the path of the file of its weights.",
        )
    what = type(module).__name__
    found = weights_of(module.state_dict(), what, ignore)
    digest = hashlib.sha256()
    for name, array in found.state.items():
        digest.update(name.encode() + array.tobytes())
    return Source(found, what, what.lower(), digest.hexdigest(), {"module": what}, module)


def _recognised(weights: Source, arch: str | None) -> "Recognised":
    from ..zoo.recognition import recognise
    from ..zoo.soundness import check_sound

    check_sound(weights.found.state, weights.what)
    if weights.module is None:
        return recognise(weights.found.state, weights.what, arch)
    from ..models.resnet import ResNet
    from ..zoo.logits import unwrapped

    module = unwrapped(weights.module)
    own = module.spec if isinstance(module, ResNet) else None
    return recognise(weights.found.state, weights.what, arch, own, is_run=True)


def _preprocess(given: str | Preprocess | None, recognised: "Recognised") -> tuple[Preprocess, str]:
    """What was given, for that network; else what is assumed of such a network, and in words what that is."""
    from ..datasets.presets import parse_preprocess
    from ..zoo.assumed import assumption

    channels, side, _ = recognised.spec.input
    if isinstance(given, Preprocess):
        if (others := given.input[0]) != channels:
            raise UsageError(
                f"the network takes images of {_channels(channels)}, and `preprocess` is for {_channels(others)}",
                "Give its mean and its std a value for each channel.",
            )
        return given, ""
    if given is not None:
        return parse_preprocess(given).for_input(channels, side), ""
    if channels != 3:
        raise UsageError(
            f"the network takes images of {_channels(channels)}, and no preprocessing is usual for these",
            "Say how its images were normalised: `preprocess=mean=0.5,std=0.25,crop=28`.",
        )
    usual = assumption(recognised.layout, recognised.spec)
    return parse_preprocess(usual.preprocess).for_input(channels, side), f"the preprocessing of {usual.whose} weights"


def _channels(number: int) -> str:
    return f"{number} channel{'s' if number > 1 else ''}"


def _check_module(module: "nn.Module", state: "State", spec: ModelSpec, what: str) -> None:
    """By running it beside ours."""
    import torch

    from ..zoo.checkpoints import empty_network
    from ..zoo.logits import check_same_logits

    network = empty_network(spec)
    network.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()}, assign=True)
    check_same_logits(module, network.eval(), spec.input, what)


def _provenance(
    weights: Source, recognised: "Recognised", ignore: tuple[str, ...], assumed: str
) -> tuple[ProvenanceStep, ...]:
    """Where the weights are from, and how they were recognised."""
    from ..core.hosts import versions

    found = weights.found
    facts = {
        "layout": recognised.layout,
        "arch": recognised.arch,
        "tensors": str(len(found.state)),
        "wrappers": ",".join(found.wrappers),
        "prefixes": ",".join(found.prefixes),
        "ignore": ",".join(ignore),
        "left_out": ",".join(found.left_out),
        "assumed": assumed,
    }
    config = weights.origin | {name: text for name, text in facts.items() if text}
    used = versions(("reszoo", "torch", "safetensors"))
    return (ProvenanceStep(name="import", config=config, versions=used, input_sha256=weights.sha256),)
