"""TensorRT and TensorRT for RTX: one interface in two Python modules, so both are built and run from here."""
