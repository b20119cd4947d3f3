"""When a loss or a gradient is no longer a finite number: which layer went bad first."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..core.errors import ReszooError


class DivergedError(ReszooError):
    """A training in which numbers are no longer finite. The weights are those before the step that made them so."""


def gone_bad(what: str, step: int, rate: float) -> DivergedError:
    return DivergedError(
        f"the training went bad at step {step}, learning rate {rate:.6g}: {what}",
        "Lower the learning rate (`lr`), lengthen the warm-up (`set warmup=0.1`) "
        "or clip the gradients (`set clip_norm=1`).",
    )


def first_bad(model: nn.Module, loss_of: Callable[[], Tensor]) -> str:
    """Compute the loss again, forwards and backwards, and name the first layer that gives what is not finite."""
    names = {module: name for name, module in model.named_modules()}
    leaves = [module for module in names if next(module.children(), None) is None]
    order: list[nn.Module] = []
    bad: list[nn.Module] = []

    def look(module: nn.Module, inputs: object, output: Tensor) -> None:
        order.append(module)
        if not bool(output.isfinite().all()):
            bad.append(module)

    handles = [module.register_forward_hook(look) for module in leaves]
    try:
        loss = loss_of()
    finally:
        for handle in handles:
            handle.remove()
    if bad:
        return f"the output of layer {names[bad[0]]} is not finite"
    if not bool(loss.isfinite()):
        return "the loss is not finite, although the output of every layer is"
    model.zero_grad()
    torch.autograd.backward(loss)
    for module in reversed(order):
        if any(p.grad is not None and not bool(p.grad.isfinite().all()) for p in module.parameters()):
            return f"the gradient of layer {names[module]} is not finite"
    return "no layer of this process, so look at what the others say"
