"""Parameters and multiply-accumulates of a network, per layer and in total. Light: imports no torch."""

from ..core.types import ModelSpec
from .costs import Cost as Cost
from .costs import LayerCost as LayerCost
from .network import family_of


def cost_of(spec: ModelSpec) -> Cost:
    """From the spec alone where its family can tell, else counted in a network without weights, which needs PyTorch."""
    return family_of(spec).cost(spec)
