"""`optimize`: a device and a budget in, the best artifact out. What decides is pure; what measures is a `Source`."""
