"""One network in training: the step, and all the state that a step changes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from ..models.resnet import ResNet
from . import health, optim
from .distill import Teacher, soft_loss
from .distributed import World
from .randomness import seed_for
from .recipe import Recipe
from .schedule import learning_rate
from .sparsity import GroupSparsity
from .transfer import frozen_norms


class Trainer:
    """Takes batches and improves the model. Everything that a step changes is in `state()`.

    tally   float64 sums over the epoch so far: loss * images, right answers, images
    norms   float64 sum over the epoch's steps of each parameter's gradient norm, where these are monitored
    head    the layer to whose learning rate the recipe's `backbone_lr` does not apply
    rates   the learning rate of each group of the optimizer over that of the recipe
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        device: torch.device,
        *,
        steps: int,
        world: World,
        teacher: Teacher | None = None,
        head: str = "",
        monitor_gradients: bool = False,
    ) -> None:
        self.layout = pick_layout(model, recipe, device)
        self.model = world.share_norms(model.to(device).to(memory_format=self.layout), device).train()
        for norm in frozen_norms(self.model):
            norm.eval()
        self.recipe, self.device, self.world, self.teacher = recipe, device, world, teacher
        self.steps = steps
        self.optimizer = optim.make_optimizer(self.model, recipe, head)
        self.rates = [group["lr"] / recipe.lr for group in self.optimizer.param_groups]
        self.average = optim.make_average(self.model, recipe, steps)
        strength = recipe.group_sparsity
        self.sparsity = GroupSparsity(cast(ResNet, self.model), strength) if strength else None
        self.parameters = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.tally = torch.zeros(3, dtype=torch.float64, device=device)
        self.norms = torch.zeros(len(self.parameters) if monitor_gradients else 0, dtype=torch.float64, device=device)
        self.step = 0
        forward = world.wrap(self.model, device)
        self.forward = torch.compile(forward) if recipe.compile else forward

    def learning_rate(self, step: int) -> float:
        return learning_rate(self.recipe, step, self.steps)

    def advance(self, images: Tensor, targets: Tensor, answers: Tensor | None = None) -> float:
        """One step on this process's part of a batch; gives its loss.

        `answers` are the logits of a teacher that was asked before; None asks the trainer's own, if it has one.
        """
        images = images.contiguous(memory_format=self.layout)
        # For what draws inside the network: stochastic depth, dropout.
        torch.manual_seed(seed_for(self.recipe.seed, f"network/{self.world.rank}", self.step))
        rate = self.learning_rate(self.step)
        for group, share in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
        self.optimizer.zero_grad(set_to_none=True)
        logits, loss = self._run(self.forward, images, targets, answers)
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norm = get_total_norm(gradients)
        # Not stepping here keeps the weights as they were, so that the layer can be found.
        if not bool(torch.isfinite(norm)):
            what = health.first_bad(self.model, lambda: self._run(self.model, images, targets, answers)[1])
            raise health.gone_bad(what, self.step, rate)
        if self.recipe.clip_norm:
            clip_grads_with_norm_(self.parameters.values(), self.recipe.clip_norm, norm)
        if self.sparsity:
            self.sparsity()  # after clipping, as weight decay is
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.model)
        return self._count(logits, loss, targets)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _run(
        self, network: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, answers: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (n, classes) and the mean loss."""
        with self._autocast():
            logits = network(images).float()
            loss = F.cross_entropy(logits, targets, label_smoothing=self.recipe.label_smoothing)
            if answers is None and self.teacher:
                answers = self.teacher.answers(images)
            if answers is not None:
                loss = loss.lerp(soft_loss(logits, answers, self.recipe.temperature), self.recipe.teacher_share)
        return logits, loss

    @torch.no_grad()
    def _count(self, logits: Tensor, loss: Tensor, targets: Tensor) -> float:
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        n = torch.full_like(loss, len(labels), dtype=self.tally.dtype)
        seen = torch.stack((loss.detach() * n, (logits.argmax(1) == labels).sum().to(n.dtype), n))
        self.tally += self.world.total(seen)  # in each step, so that what one process saves is of all
        if len(self.norms):
            self.norms += torch.stack([p.grad.norm() for p in self.parameters.values() if p.grad is not None])
        self.step += 1
        return float(loss)

    def close_epoch(self) -> tuple[float, float, dict[str, float] | None]:
        """Mean loss, accuracy and mean gradient norms since the last call, over all processes."""
        loss, right, images = self.tally.tolist()
        steps = images / self.recipe.batch
        norms = dict(zip(self.parameters, (self.norms / steps).tolist(), strict=True)) if len(self.norms) else None
        self.tally.zero_()
        self.norms.zero_()
        return loss / images, right / images, norms

    @property
    def result(self) -> nn.Module:
        """The network whose weights count: the average where there is one."""
        return self.average.module if self.average else self.model

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "tally": self.tally,
            "norms": self.norms,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.tally.copy_(state["tally"])
        self.norms.copy_(state["norms"])


def pick_layout(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.memory_format:
    """channels_last is the faster one, but not safe for every network on a CPU."""
    if device.type == "cpu" and any(_overruns(module) for module in model.modules()):
        return torch.contiguous_format
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def _overruns(module: nn.Module) -> bool:
    """Whether oneDNN writes past its workspace in channels_last (github.com/uxlfoundation/oneDNN/issues/6035).

    It does, and crashes, in the weight gradient of strided 1x1 convolutions with fewer channels than a register.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < 16
        and module.weight.requires_grad
    )
