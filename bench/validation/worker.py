"""The harness's worker, which knows the runtimes of known cost as well."""

from ..worker import main
from .runtimes import known_runtimes

if __name__ == "__main__":
    main(known_runtimes)
