"""Knowledge distillation (Hinton et al. 2015): a trained network's soft answers as targets."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.types import Preprocess
from ..datasets.preprocess import renormalised
from ..models.folding import folded


class Teacher:
    """A network in eval mode, which sees the student's augmented images under its own normalisation.

    `outputs` says which of its outputs each class of the student is; None: they have the same order.
    """

    def __init__(
        self,
        network: nn.Module,
        own: Preprocess,
        students: Preprocess,
        device: torch.device,
        outputs: Sequence[int] | None = None,
    ) -> None:
        self.network = folded(network).to(device).to(memory_format=torch.channels_last)
        constants = (torch.from_numpy(values).to(device) for values in renormalised(students, own))
        self.outputs = None if outputs is None else torch.tensor(outputs, device=device)
        self.scale, self.shift = (values[:, None, None] for values in constants)

    @torch.no_grad()
    def answers(self, images: Tensor) -> Tensor:
        """Its logits for the student's classes, float32 (n, classes)."""
        answers: Tensor = self.network(images * self.scale + self.shift).float()
        return answers if self.outputs is None else answers[:, self.outputs]


def soft_loss(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) at `temperature`, times its square so that gradients keep their size."""
    student, teacher = (F.log_softmax(x / temperature, dim=1) for x in (logits, answers))
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2
