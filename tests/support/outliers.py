"""A network with planted outliers: the same function in float, but its activations do not fit into 8 bits.

Between the two convolutions of one block, a channel is made `SCALE` times as large and the weights that read it as
many times smaller, as relu(s x) = s relu(x). `SCALE` is a power of two, so no float is rounded differently. But 8 bits
over that channel's range have no step left for the other channels, and 8-bit weights none for what reads it.
"""

from pathlib import Path

from reszoo import zoo
from reszoo.core.types import Checkpoint

SCALE = 2.0**10
BLOCK = "stages.2.0"
PLANTED = f"{BLOCK}.convs.1"  # what reads the outliers


def plant(folder: Path, ref: str = "resnet8_v1.reszoo_digits") -> Checkpoint:
    """A copy of a v1 checkpoint in `folder`, with outliers in its last block's liveliest channel."""
    source = zoo.load(ref)
    state = {name: tensor.clone() for name, tensor in zoo.build(source).state_dict().items()}
    gamma, beta = state[f"{BLOCK}.norms.0.weight"], state[f"{BLOCK}.norms.0.bias"]
    channel = int((beta + gamma.abs()).argmax())
    gamma[channel] *= SCALE
    beta[channel] *= SCALE
    state[f"{BLOCK}.convs.1.weight"][:, channel] /= SCALE
    fields = {name: getattr(source, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    planted = ref.split(".")[0] + ".planted"
    return zoo.save(folder, state, ref=planted, metrics=(), provenance=(), **fields)
