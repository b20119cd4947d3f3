"""The line to a device: the system's ssh, and what goes over it."""
