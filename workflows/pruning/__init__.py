"""Pruning judged by the clock: the latency that a network would have, and the one that it has."""
