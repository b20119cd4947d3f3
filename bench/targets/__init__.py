"""Where artifacts are measured: one file each, which defines `TARGET`."""
