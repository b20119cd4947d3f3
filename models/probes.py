"""What can be asked of a network without training it: how gradients flow, and how near blocks are to identities.

norms = gradient_norms(model, lambda model: F.cross_entropy(model(x), y))   # {"stages.0.0": 0.013, ...}
check = verify_identity(model.stages[0][0], x)                              # check.distance, check.is_identity
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..core.errors import UsageError
from .residual import Block

FIX = "Choose one of `blocks_of(model)` whose output has its input's shape."


class IdentityCheck(NamedTuple):
    """How far a block is from the identity, as a share of its input's norm.

    distance        |block(x) - x| / |x|: for a random block it says what the initialisation is, not the architecture
    without_branch  the same with a branch that gives 0: what the shortcut alone does to this input
    """

    distance: float
    without_branch: float

    @property
    def is_identity(self) -> bool:
        """Whether the block is exactly the identity on this input once its branch gives 0."""
        return self.without_branch == 0


def gradient_norms(
    model: nn.Module, loss: Callable[[nn.Module], Tensor], modules: Sequence[str] | None = None
) -> dict[str, float]:
    """The norm of the loss's gradient with respect to what enters each block, in the order of the forward pass.

    The gradients of the parameters stay as they are. Norms scale with the loss and with the number of images in its
    mean: only ratios between the blocks of one network mean something.

    Args:
        model: The network, in the mode that is meant: in training, batch norms use the batch's statistics.
        loss: Runs the network and gives a scalar.
        modules: The names of the modules that are looked at; None is all residual (or plain) blocks.

    Returns:
        The norms by the modules' names.
    """
    names = block_names(model) if modules is None else list(modules)
    entering: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = inputs[0] if inputs[0].requires_grad else inputs[0].detach().requires_grad_()
            entering[name] = x
            return (x.view_as(x), *inputs[1:])  # activations that work in place must not touch what is kept

        return keep

    handles = [model.get_submodule(name).register_forward_pre_hook(watch(name)) for name in names]
    try:
        value = loss(model)
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(value, list(entering.values()), allow_unused=True)
    norms = (0.0 if gradient is None else float(gradient.norm()) for gradient in gradients)
    return dict(zip(entering, norms, strict=True))


def verify_identity(block: nn.Module, x: Tensor) -> IdentityCheck:
    """Compare a block with the identity, as it is and with its branch giving 0.

    Without a branch a v2 block is the identity for every input; a v1 block is it for inputs without negative values
    alone, which is what the block before it gives.

    Args:
        block: A residual block of reszoo's assembly, whose output has the shape of its input.
        x: Its input (N, C, H, W).

    Raises:
        UsageError: The block is none, or changes the shape of its input.
    """
    if not isinstance(block, Block):
        raise UsageError(f"{type(block).__name__} is no residual block of reszoo's", FIX)
    with torch.no_grad():
        distance = _distance(block(x.clone()), x)
        with edited_branch(block, torch.zeros_like):
            return IdentityCheck(distance, _distance(block(x.clone()), x))


@contextmanager
def edited_branch(block: Block, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Put `edit(h)` in the place of what the branch gives, before it is added to the shortcut."""

    def edited(module: nn.Module, inputs: object, h: Tensor) -> Tensor:
        return edit(h)

    handle = block.drop.register_forward_hook(edited)
    try:
        yield
    finally:
        handle.remove()


def blocks_of(model: nn.Module) -> dict[str, Block]:
    """The residual (or plain) blocks by name, in order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Block)}


def block_names(model: nn.Module) -> list[str]:
    return list(blocks_of(model))


def _distance(y: Tensor, x: Tensor) -> float:
    if y.shape != x.shape:
        raise UsageError(f"the block gives {tuple(y.shape)} for {tuple(x.shape)}: it cannot be an identity", FIX)
    return float((y - x).norm() / x.norm())
