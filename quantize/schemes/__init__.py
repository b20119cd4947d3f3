"""One file a scheme: it defines `SCHEME`, an instance of `quantize.contract.Scheme`."""
