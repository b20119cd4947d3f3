"""One file an engine: it defines `ENGINE`, an instance of `export.deployment.engine.Engine`."""
