"""The cost of any module, by PyTorch's own counter: of networks that our assembly does not build."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .costs import Cost, LayerCost, kind_of


def counted(model: nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """Run one image's shape through a network on the meta device: no memory, no arithmetic."""
    outputs: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        outputs[module] = tuple(output.shape[1:])

    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    hooks = [module.register_forward_hook(note) for module in layers.values()]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, *input_shape, device="meta"))
    for hook in hooks:
        hook.remove()
    flops = {name: sum(by_kind.values()) for name, by_kind in counter.get_flop_counts().items()}
    root = type(model).__name__
    return Cost(
        params=_params(model),
        macs=counter.get_total_flops() // 2,  # a multiply-accumulate is two operations
        layers=tuple(
            LayerCost(name=name, kind=_kind(m), output=outputs[m], params=_params(m), macs=flops[f"{root}.{name}"] // 2)
            for name, m in layers.items()
        ),
    )


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _kind(module: nn.Conv2d | nn.Linear) -> str:
    return kind_of(module.kernel_size, module.stride[0]) if isinstance(module, nn.Conv2d) else kind_of((), 1)
