"""A worker whose runtime fails in the way that the scenario's variant names. Run as a module, with this folder on
PYTHONPATH."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from reszoo.bench.validation.runtimes import KnownRuntime, KnownSession
from reszoo.bench.worker import main
from reszoo.core.types import Candidate
from reszoo.export.contract.runtime import Device, Runtime


class BadRuntime(KnownRuntime):
    name = "bad"

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "BadSession":
        return BadSession(variant)


class BadSession(KnownSession):
    def __init__(self, variant: str) -> None:
        self.variant = variant
        self.held: list[bytearray] = []
        self.runs = 0

    def run(self, placed: Any) -> Any:
        self.runs += 1
        if self.runs < 20:
            time.sleep(0.001)
        elif self.variant == "hangs":
            time.sleep(1000)
        elif self.variant == "dies":
            sys.stderr.write("about to abort\n")
            sys.stderr.flush()
            os.abort()
        elif self.variant == "exits":
            os._exit(7)
        elif self.variant == "chatters":
            sys.stdout.write("a runtime says hello\n")
            sys.stdout.flush()
            time.sleep(0.001)
        elif self.variant == "raises":
            raise ValueError("kernel failed")
        elif self.variant == "eats":
            self.held.append(bytearray(os.urandom(1 << 16) * 16 * 16))
        elif self.variant == "rubbish":
            for descriptor in range(3, 10):
                write_if_open(descriptor, b"\x00\xffnonsense\n")
            time.sleep(0.001)


def write_if_open(descriptor: int, data: bytes) -> None:
    try:
        os.write(descriptor, data)
    except OSError:
        return


def known() -> Mapping[str, Runtime]:
    return {"bad": BadRuntime()}


if __name__ == "__main__":
    main(known)
