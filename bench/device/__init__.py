"""What runs on a device that has Python, numpy and a runtime, but no reszoo: one file, made of reszoo's own modules."""
