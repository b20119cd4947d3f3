"""Checks of the harness itself, each a script whose figures stand in docs/benchmarking.md."""
