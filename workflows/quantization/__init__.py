"""What quantization costs and what it buys, measured: layer by layer, on whole splits, and in time."""
