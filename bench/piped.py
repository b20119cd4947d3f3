"""Workers that are processes of this machine, or are reached through one: lines go over its standard streams."""

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, cast

from .client import Worker, how_it_ended


class PipedWorker(Worker):
    """The protocol over a process's standard input and output; what it prints elsewhere is kept for errors."""

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving, as all else
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise, env=environment
        )
        self.requests, self.replies = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        self.unread = b""
        self.poll = select.poll()
        self.poll.register(self.replies, select.POLLIN)

    def write(self, line: bytes) -> None:
        self.requests.write(line)
        self.requests.flush()

    def line(self, deadline: float) -> bytes | None:
        while b"\n" not in self.unread:
            if not self.poll.poll(max(1e3 * (deadline - time.monotonic()), 0)):
                return None
            read = os.read(self.replies.fileno(), 1 << 20)
            if not read:
                return b""
            self.unread += read
        line, _, self.unread = self.unread.partition(b"\n")
        return line

    def ending(self) -> str:
        return f"the worker {how_it_ended(self.process.wait())}"

    def output(self) -> str:
        self.noise.seek(0)
        return self.noise.read().decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.replies.close()
        with suppress(BrokenPipeError):  # what could not be written any more does not matter any more
            self.requests.close()
        self.noise.close()
