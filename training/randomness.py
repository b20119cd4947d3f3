"""Random numbers that depend only on the seed, the purpose and the step.

No generator lives from step to step. So a resumed run needs no generator's state to go on bit by bit, and the
processes of a distributed run draw alike.
"""

import hashlib

import torch


def seed_for(seed: int, purpose: str, index: int = 0) -> int:
    """63 bits, unrelated for any two different arguments."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """Always on the CPU: the same numbers for every device."""
    return torch.Generator().manual_seed(seed_for(seed, purpose, index))
