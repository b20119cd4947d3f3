"""A quantized network as C without a runtime: what is computed (`lowering`), where it lies (`memory`), its text."""
