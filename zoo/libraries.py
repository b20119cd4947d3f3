"""Weights for other libraries: a file that their own network loads strictly, proven to give the same logits there."""

from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.missing import require
from ..core.types import Checkpoint, ResNetSpec
from .checkpoints import build
from .foreign import to_timm, to_torchvision
from .logits import check_same_logits

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.resnet import ResNet

LIBRARIES = ("torchvision", "timm")
# (family, block, depths, width of a bottleneck) -> the name of the same network in timm
TIMM_NAMES: dict[tuple[str, str, tuple[int, ...], int], str] = {
    ("v1", "basic", (2, 2, 2, 2), 1): "resnet18",
    ("v1", "basic", (3, 4, 6, 3), 1): "resnet34",
    ("v1", "bottleneck", (3, 4, 6, 3), 1): "resnet50",
    ("v1", "bottleneck", (3, 4, 23, 3), 1): "resnet101",
    ("v1", "bottleneck", (3, 8, 36, 3), 1): "resnet152",
    ("v1", "bottleneck", (3, 4, 6, 3), 2): "wide_resnet50_2",
    ("v1", "bottleneck", (3, 4, 23, 3), 2): "wide_resnet101_2",
    ("v2", "basic", (2, 2, 2, 2), 1): "resnetv2_18",
    ("v2", "basic", (3, 4, 6, 3), 1): "resnetv2_34",
    ("v2", "bottleneck", (3, 4, 6, 3), 1): "resnetv2_50",
    ("v2", "bottleneck", (3, 4, 23, 3), 1): "resnetv2_101",
    ("v2", "bottleneck", (3, 8, 36, 3), 1): "resnetv2_152",
}


def weights_for(library: str, checkpoint: Checkpoint) -> "dict[str, Tensor]":
    """The weights as `library` names them.

    Args:
        library: "torchvision", for v1 networks of ImageNet's shape, or "timm", for v1 and v2 ones.
        checkpoint: What is exported.

    Returns:
        A state dict, in float32. It was loaded into the library's own network, which gave the same logits.

    Raises:
        UsageError: The structure is not the library's; the message says where.
        UnavailableError: The library is not installed.
        ReszooError: The library's network gives other logits.
    """
    require(library, f"to prove weights for {library}", "torch")
    spec = checkpoint.spec
    if not isinstance(spec, ResNetSpec):
        raise UsageError(f"{checkpoint.ref} is no residual network", f"{library} has others of its own.")
    network: ResNet = build(checkpoint)  # type: ignore[assignment]
    is_v2 = library == "timm" and spec.family == "v2"
    state = to_timm(network) if is_v2 else to_torchvision(network)  # timm's v1 networks have torchvision's names
    theirs = network_of(library, spec)
    theirs.load_state_dict(state, strict=True)
    check_same_logits(theirs, network, spec.input, f"{library}'s network")
    return state


def timm_config(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """What timm reads from config.json beside model.safetensors; None for a network that has no name there."""
    spec, prepare = checkpoint.spec, checkpoint.preprocess
    if not isinstance(spec, ResNetSpec):
        return None
    name = TIMM_NAMES.get((spec.family, spec.block_type, spec.depths, spec.bottleneck_width))
    if name is None:
        return None
    is_v1 = spec.family == "v1"
    return {
        "architecture": name,
        "num_classes": spec.num_classes,
        "label_names": list(checkpoint.labels),
        "model_args": {} if spec.input[0] == 3 else {"in_chans": spec.input[0]},
        "pretrained_cfg": {
            "input_size": list(prepare.input),
            "mean": list(prepare.mean),
            "std": list(prepare.std),
            "interpolation": prepare.interpolation,
            "crop_pct": prepare.crop / prepare.resize if prepare.crop and prepare.resize else 1.0,
            "crop_mode": "center",
            "num_classes": spec.num_classes,
            "first_conv": "conv1" if is_v1 else "stem.conv",
            "classifier": "fc" if is_v1 else "head.fc",
            "license": checkpoint.licence,
        },
    }


def network_of(library: str, spec: ResNetSpec) -> "nn.Module":
    """The library's own network of this spec, freshly initialised. The spec's structure has to be the library's."""
    if library == "torchvision":
        return _of_torchvision(spec)
    return _of_timm_v2(spec) if spec.family == "v2" else _of_timm_v1(spec)


def _of_torchvision(spec: ResNetSpec) -> "nn.Module":
    from torch import nn
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    block = BasicBlock if spec.block_type == "basic" else Bottleneck
    depths, width = list(spec.depths), 64 * spec.bottleneck_width
    network: nn.Module = ResNet(block, depths, num_classes=spec.num_classes, width_per_group=width)
    if spec.input[0] != 3:
        network.conv1 = nn.Conv2d(spec.input[0], 64, 7, 2, padding=3, bias=False)
    return network


def _of_timm_v1(spec: ResNetSpec) -> "nn.Module":
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    block: Any = BasicBlock if spec.block_type == "basic" else Bottleneck  # timm's annotation is of instances
    network: nn.Module = ResNet(
        block,
        spec.depths,
        num_classes=spec.num_classes,
        in_chans=spec.input[0],
        base_width=64 * spec.bottleneck_width,
    )
    return network


def _of_timm_v2(spec: ResNetSpec) -> "nn.Module":
    from timm.layers.create_conv2d import create_conv2d
    from timm.layers.norm_act import BatchNormAct2d
    from timm.models.resnetv2 import ResNetV2

    is_basic = spec.block_type == "basic"
    network: nn.Module = ResNetV2(
        list(spec.depths),
        channels=tuple(spec.widths if is_basic else (4 * width for width in spec.widths)),
        num_classes=spec.num_classes,
        in_chans=spec.input[0],
        basic=is_basic,
        bottle_ratio=1.0 if is_basic else 0.25,
        conv_layer=create_conv2d,
        norm_layer=BatchNormAct2d,
    )
    return network
