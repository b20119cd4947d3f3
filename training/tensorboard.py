"""The curve for TensorBoard, through PyTorch's writer."""

from ..core.errors import UnavailableError
from ..core.types import StrPath
from .progress import Epoch


class TensorBoard:
    """A watcher that writes an event file to `folder`."""

    def __init__(self, folder: StrPath) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UnavailableError("TensorBoard is not installed", "Run `pip install tensorboard`.") from error
        self.writer = SummaryWriter(str(folder))

    def began(self, steps: int, done: int) -> None: ...

    def stepped(self, step: int, loss: float) -> None: ...

    def epoch_ended(self, row: Epoch) -> None:
        scalars = {"loss": row.loss, "accuracy": row.accuracy, "val_accuracy": row.val_accuracy, "lr": row.lr}
        for name, value in (scalars | {f"gradient_norm/{k}": v for k, v in (row.gradient_norms or {}).items()}).items():
            if value is not None:
                self.writer.add_scalar(name, value, row.step)

    def ended(self) -> None:
        self.writer.close()
