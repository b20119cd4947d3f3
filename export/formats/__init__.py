"""One file a format: it defines `FORMAT`, an instance of `export.contract.format.Format`."""
