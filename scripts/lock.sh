#!/bin/sh
# Write docker/requirements.txt anew: the versions of constraints.txt for the core, each with its hashes.
set -eu
cd "$(dirname "$0")/.."
uv pip compile pyproject.toml --constraint constraints.txt --generate-hashes --universal --python-version 3.11 \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file docker/requirements.txt
