"""The data sets that can be downloaded. Their official binary archives hold plain records, and nothing pickled.

Krizhevsky, "Learning multiple layers of features from tiny images" (2009); https://www.cs.toronto.edu/~kriz/cifar.html
"""

from ..core.download import Source
from ..core.types import Positive, Record


class Archive(Record, frozen=True, kw_only=True):
    """A .tar.gz of records: `label_bytes` bytes, of which the last is the class, then 3072 bytes (C, H, W)."""

    source: Source
    classes: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: Positive


ARCHIVES = {
    "cifar10": Archive(
        source=Source(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            size_bytes=170052171,
        ),
        classes="batches.meta.txt",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test=("test_batch.bin",),
        label_bytes=1,
    ),
    "cifar100": Archive(
        source=Source(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            size_bytes=168513733,
        ),
        classes="fine_label_names.txt",
        train=("train.bin",),
        test=("test.bin",),
        label_bytes=2,  # the coarse class, then the fine one
    ),
}
