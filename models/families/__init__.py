"""The families of architectures: one file each, found by `models.network`, for one kind of spec."""
