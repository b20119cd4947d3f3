"""Our networks' weights under torchvision's and timm's names, and back: exact, where the structure is theirs.

    torchvision.models.resnet50().load_state_dict(to_torchvision(network))
    network = from_timm(timm.create_model("resnetv2_50").state_dict(), spec_of("resnet50_v2"))

Both are known for ImageNet's networks: v1 as in torchvision's `ResNet`, v2 as in timm's `ResNetV2`. Of stochastic depth
nothing is in the weights, so that it may differ.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ..core.errors import UsageError
from ..core.types import ModelSpec, ResNetSpec
from ..models.network import state_shapes
from .checkpoints import check_fits, empty_network

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.resnet import ResNet

IMAGENET: dict[str, object] = {
    "stem": "imagenet",
    "stem_width": 64,
    "widths": (64, 128, 256, 512),
    "shortcut": "B",
    "families": (),
    "norm": "batch",
    "norm_place": "",
    "order": "norm-act-conv",
    "activation": "relu",
    "skip": "identity",
    "se_ratio": 0,
    "plan": None,
}
# what a spec has to be, to be a network of the class that the converter is named after
STRUCTURES: dict[str, dict[str, object]] = {
    "torchvision": {"family": "v1", **IMAGENET},
    "timm_resnetv2": {"family": "v2", **IMAGENET, "bottleneck_width": 1},
}


def to_torchvision(network: "ResNet") -> "dict[str, Tensor]":
    """The weights of a v1 network as `torchvision.models.resnet.ResNet` names them.

    Args:
        network: A network with torchvision's structure, wide ones too.

    Returns:
        A state dict for `load_state_dict(strict=True)` there. It shares the network's memory.

    Raises:
        UsageError: If the structure is not torchvision's; the message says where.
    """
    return _to(network, "torchvision")


def from_torchvision(state: "Mapping[str, Tensor]", spec: ModelSpec) -> "ResNet":
    """The v1 network with the weights of a state dict of `torchvision.models.resnet.ResNet`.

    Args:
        state: What `state_dict()` gave there.
        spec: The same architecture, as from `models.spec_of("resnet50_v1")`.

    Returns:
        The network in eval mode, in float32.

    Raises:
        UsageError: If the spec's structure is not torchvision's; the message says where.
        ReszooError: If the weights are not those of this spec.
    """
    return _from(state, spec, "torchvision")


def to_timm(network: "ResNet") -> "dict[str, Tensor]":
    """The weights of a v2 network as `timm.models.resnetv2.ResNetV2` names them.

    Args:
        network: A network with the structure of timm's `resnetv2_18`, `_34`, `_50`, `_101` or `_152`.

    Returns:
        A state dict for `load_state_dict(strict=True)` there. It shares the network's memory.

    Raises:
        UsageError: If the structure is not timm's; the message says where.
    """
    state = _to(network, "timm_resnetv2")
    return state | {"head.fc.weight": state["head.fc.weight"][:, :, None, None]}  # a 1x1 convolution there


def from_timm(state: "Mapping[str, Tensor]", spec: ModelSpec) -> "ResNet":
    """The v2 network with the weights of a state dict of `timm.models.resnetv2.ResNetV2`.

    Args:
        state: What `state_dict()` gave there.
        spec: The same architecture, as from `models.spec_of("resnet50_v2")`.

    Returns:
        The network in eval mode, in float32.

    Raises:
        UsageError: If the spec's structure is not timm's; the message says where.
        ReszooError: If the weights are not those of this spec.
    """
    return _from(state, spec, "timm_resnetv2")


def _to(network: "ResNet", converter: str) -> "dict[str, Tensor]":
    from .convert import named_as

    _check(network.spec, converter)
    return {named_as(key, converter): tensor.detach() for key, tensor in network.state_dict().items()}


def _from(state: "Mapping[str, Tensor]", spec: ModelSpec, converter: str) -> "ResNet":
    _check(spec, converter)
    import torch

    from .convert import renamed

    arrays = {key: tensor.detach().cpu().numpy() for key, tensor in state.items()}
    ours = renamed(arrays, converter, "the state dict")
    check_fits(ours, state_shapes(spec), "the state dict")
    network = cast("ResNet", empty_network(spec))
    network.load_state_dict({key: torch.from_numpy(array) for key, array in ours.items()}, assign=True)
    return network.eval()


def _check(spec: ModelSpec, converter: str) -> None:
    """Refuse a structure that is not theirs, with everything that differs."""
    wanted = STRUCTURES[converter]
    if isinstance(spec, ResNetSpec):
        differences = [
            "it is pruned" if name == "plan" else f"its {name} is {getattr(spec, name)!r}, not {value!r}"
            for name, value in wanted.items()
            if getattr(spec, name) != value
        ]
    else:
        differences = ["it is no residual network of reszoo's"]
    if differences:
        library = converter.partition("_")[0]
        raise UsageError(
            f"the network has not the structure of {library}'s: {'; '.join(differences)}",
            f"Only the {wanted['family']} networks of ImageNet's shape have names there, such as "
            f"resnet50_{wanted['family']}. Keep this one in reszoo's checkpoint format.",
        )
