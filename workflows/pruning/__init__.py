"""Pruning by latency: the table that predicts a pruned network's, and the speed check that measures it."""
