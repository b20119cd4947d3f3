"""Parameters and multiply-accumulates of a network, per layer and in total, by PyTorch's own counter."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..core.types import ModelSpec, Noun
from .resnet import ResNet


class LayerCost(Noun, frozen=True, kw_only=True):
    """A convolution or the classifier. `output` is its shape and `macs` its work for one image."""

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int


class Cost(Noun, frozen=True, kw_only=True):
    """`params` are all learnable values, those of norms too; `macs` all of convolutions and matrix products."""

    params: int
    macs: int
    layers: tuple[LayerCost, ...]


def cost_of(spec: ModelSpec) -> Cost:
    """Count by running one image's shape through the network on the meta device: no memory, no arithmetic."""
    with torch.device("meta"):
        model = ResNet(spec).eval()
        image = torch.empty(1, *spec.input)
    outputs: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        outputs[module] = tuple(output.shape[1:])

    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    for module in layers.values():
        module.register_forward_hook(note)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    flops = {name: sum(by_kind.values()) for name, by_kind in counter.get_flop_counts().items()}
    return Cost(
        params=_params(model),
        macs=counter.get_total_flops() // 2,  # a multiply-accumulate is two operations
        layers=tuple(
            LayerCost(name=name, kind=_kind(m), output=outputs[m], params=_params(m), macs=flops[f"ResNet.{name}"] // 2)
            for name, m in layers.items()
        ),
    )


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _kind(module: nn.Conv2d | nn.Linear) -> str:
    if isinstance(module, nn.Linear):
        return "linear"
    height, width = module.kernel_size
    return f"conv{height}x{width}" + (f" /{module.stride[0]}" if module.stride[0] > 1 else "")
