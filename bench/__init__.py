"""Measuring artifacts: each in a fresh process, raw samples kept, every statistic derived from them."""
