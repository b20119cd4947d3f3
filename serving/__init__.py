"""A model behind HTTP: the Open Inference Protocol, a page for pictures, batches, limits and metrics."""

from .options import ServeOptions

__all__ = ["ServeOptions"]
