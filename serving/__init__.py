"""A model behind HTTP: the Open Inference Protocol, a page for pictures, batches, limits and metrics."""
