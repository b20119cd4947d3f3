"""The one process that a harness starts on a device: it keeps artifacts and workers for it, and watches the machine.

Frames go both ways over ssh's standard streams: a line of JSON, and after it as many bytes as its `size` says. A frame
for a worker, or of one, has a line of the workers' own protocol in it. Everything else is a command, which is answered
by a frame with the same `do`, and with `error` where it went wrong.

It ends, with all its workers, when its input does, or when nothing has come for a while: a line that is lost is not
always closed.
"""

import fcntl
import importlib.util
import json
import os
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from ..affinity import choose_cores
from ..machine import Watch, load_average
from . import records
from .emulation import emulator
from .store import Store

SILENCE_S = 60.0  # the harness says something every ten seconds
STOPPED_S = 1.0
SAID_BYTES = 4096  # of what a worker printed, the end is kept


class LostError(Exception):
    """The harness cannot be heard any more."""


class Line:
    """Frames from and to the harness."""

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.unread = b""
        os.set_blocking(sink, False)

    def read(self, size: int) -> bytes:
        """At most so many bytes, as soon as there are any. Raises LostError."""
        if not self.unread:
            if not select.select([self.source], [], [], SILENCE_S)[0]:
                raise LostError("it has been silent for too long")
            self.unread = os.read(self.source, 1 << 16)
            if not self.unread:
                raise LostError("its input has ended")
        data, self.unread = self.unread[:size], self.unread[size:]
        return data

    def exactly(self, size: int) -> bytes:
        parts = []
        while size:
            parts.append(self.read(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def header(self) -> dict[str, Any]:
        line = self.read(1 << 16)
        while b"\n" not in line:
            line += self.read(1 << 16)
        line, _, rest = line.partition(b"\n")
        self.unread = rest + self.unread
        fields: dict[str, Any] = json.loads(line)
        return fields

    def tell(self, fields: dict[str, Any], body: bytes = b"") -> None:
        left = memoryview(json.dumps({**fields, "size": len(body)}).encode() + b"\n" + body)
        while left:
            if not select.select([], [self.sink], [], SILENCE_S)[1]:
                raise LostError("it does not read")
            try:
                left = left[os.write(self.sink, left) :]
            except BrokenPipeError:
                raise LostError("it is gone") from None


class Child:
    """A worker. What it is to read and what it prints is kept here, so that nobody waits for anybody."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.spawned_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, sys.argv[0], "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self.requests, self.replies, self.errors = (cast("IO[bytes]", pipe).fileno() for pipe in pipes)
        os.set_blocking(self.requests, False)
        self.to_read, self.unread, self.said = b"", b"", b""
        self.is_open = {self.replies: True, self.errors: True}

    def write(self) -> None:
        try:
            self.to_read = self.to_read[os.write(self.requests, self.to_read) :]
        except BrokenPipeError:
            self.to_read = b""  # its end is told of when its output closes

    def lines(self) -> Iterator[bytes]:
        """Those that are complete."""
        data = os.read(self.replies, 1 << 16)
        self.is_open[self.replies] = bool(data)
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            yield line + b"\n"

    def listen(self) -> None:
        data = os.read(self.errors, 1 << 16)
        self.is_open[self.errors] = bool(data)
        self.said = (self.said + data)[-SAID_BYTES:]

    def pause(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        end = time.monotonic() + STOPPED_S
        while _state(self.process.pid) not in "TtZX" and time.monotonic() < end:
            time.sleep(0.0005)

    def end(self) -> int:
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()
        return code


class Agent:
    def __init__(self, line: Line, folder: Path) -> None:
        self.line = line
        self.store = Store(folder / "store")
        self.children: dict[int, Child] = {}
        self.watch: Watch | None = None

    def serve(self) -> None:
        while True:
            by_descriptor = {
                descriptor: (number, child)
                for number, child in self.children.items()
                for descriptor, is_open in child.is_open.items()
                if is_open
            }
            writable = {child.requests: child for child in self.children.values() if child.to_read}
            wanted = [*by_descriptor, *([] if self.line.unread else [self.line.source])]
            patience_s = 0 if self.line.unread else SILENCE_S
            readable, ready, _ = select.select(wanted, list(writable), [], patience_s)
            if not readable and not ready and not self.line.unread:
                raise LostError("it has been silent for too long")
            for descriptor in ready:
                writable[descriptor].write()
            for descriptor in readable:
                if descriptor in by_descriptor:
                    self._relay(*by_descriptor[descriptor], descriptor)
            if self.line.unread or self.line.source in readable:
                self._command(self.line.header())

    def close(self) -> None:
        for child in self.children.values():
            child.end()
        self.store.sweep()

    def _relay(self, number: int, child: Child, descriptor: int) -> None:
        if descriptor == child.errors:
            child.listen()
        else:
            for line in child.lines():
                self.line.tell({"worker": number}, line)
        if not any(child.is_open.values()):
            code = child.process.wait()
            self.line.tell({"worker": number, "ended": code, "said": child.said.decode(errors="replace")})

    def _command(self, fields: dict[str, Any]) -> None:
        name = fields.get("do")
        if name is None:  # a sign of life
            return
        try:
            answer = getattr(self, f"do_{name}")(fields)
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        if answer is not None:
            self.line.tell({"do": name, **answer})

    def do_has(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"found": self.store.has(fields["key"]), "path": str(self.store.path(fields["key"]))}

    def do_put(self, fields: dict[str, Any]) -> dict[str, Any]:
        left = fields["size"]

        def read(size: int) -> bytes:
            nonlocal left
            data = self.line.read(size)
            left -= len(data)
            return data

        try:
            self.store.put(fields["key"], fields["name"], fields["size"], fields["sha256"], read)
        except BaseException as error:
            self.store.drop(fields["key"])
            while left and not isinstance(error, LostError):  # what is on its way comes all the same
                read(left)
            raise
        return {}

    def do_keep(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.store.keep(fields["key"])
        return {}

    def do_clean(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"bytes": self.store.clean()}

    def do_cores(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"cores": choose_cores(fields["n"])}

    def do_start(self, fields: dict[str, Any]) -> dict[str, Any]:
        load = load_average()
        child = self.children[fields["worker"]] = Child(fields["environment"])
        return {"spawned_at": child.spawned_at, "load": load}

    def do_tell(self, fields: dict[str, Any]) -> None:
        self.children[fields["worker"]].to_read += self.line.exactly(fields["size"])
        if self.watch:
            self.watch.look()

    def do_pause(self, fields: dict[str, Any]) -> dict[str, Any]:
        self.children[fields["worker"]].pause()
        return {}

    def do_resume(self, fields: dict[str, Any]) -> None:
        os.kill(self.children[fields["worker"]].process.pid, signal.SIGCONT)

    def do_end(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"code": self.children.pop(fields["worker"]).end()}

    def do_watch(self, fields: dict[str, Any]) -> dict[str, Any]:
        pids = [self.children[number].process.pid for number in fields["workers"]]
        self.watch = Watch(pids, fields["cores"], load_before=fields["load"])
        return {}

    def do_look(self, fields: dict[str, Any]) -> None:
        if self.watch:
            self.watch.look()

    def do_watched(self, fields: dict[str, Any]) -> dict[str, Any]:
        watch, self.watch = cast("Watch", self.watch), None
        return {"conditions": records.plain(watch.stop())}


def main(folder: str) -> None:
    """Serve one harness until it is gone. Two at once would disturb each other, so the second one is refused."""
    sink = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no frame
    line = Line(0, sink)
    with (Path(folder) / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            line.tell({"do": "begin", "error": "busy", "since": lock.read()})
            return
        lock.truncate(0)
        lock.write(time.strftime("%H:%M:%S"))
        lock.flush()
        agent = Agent(line, Path(folder))
        try:
            line.tell({"do": "begin", **facts(json.loads(os.environ.get("RESZOO_MODULES", "[]")))})
            agent.serve()
        except LostError:
            return
        finally:
            agent.close()


def facts(modules: Sequence[str]) -> dict[str, Any]:
    """What this machine is, and which of these modules it has."""
    from ...core.hosts import describe

    return {
        "host": {**records.plain(describe()), "emulated_by": emulator()},
        "glibc": " ".join(platform.libc_ver()).strip(),
        "executable": sys.executable,
        "modules": {name: importlib.util.find_spec(name) is not None for name in modules},
    }


def _state(pid: int) -> str:
    """One letter of proc(5); X where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
