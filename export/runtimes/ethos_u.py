"""Arm's Ethos-U NPUs, which are in no machine that reszoo runs on."""

from ...core.missing import unavailable_error
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session


class EthosURuntime(Runtime):
    name = "ethos-u"
    formats = ("ethos-u",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable:
        return Unavailable(
            what=self.name,
            reason="it is a part of microcontrollers and not of this machine",
            fix="Run the compiled file on the device, with TensorFlow Lite Micro and Arm's driver.",
        )

    def preload(self) -> None:
        raise unavailable_error(self.unavailable("cpu"))

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> Session:
        raise unavailable_error(self.unavailable(device, variant))


RUNTIME = EthosURuntime()
