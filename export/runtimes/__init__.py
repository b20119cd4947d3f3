"""One file a runtime: it defines `RUNTIME`, an instance of `export.contract.runtime.Runtime`."""
