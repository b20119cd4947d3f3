"""A device of a test's own: a real sshd on 127.0.0.1, with keys, a configuration and a folder that nobody else uses."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import children, started, told

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
NAME = "board"
# PATH: without the project's own environment, as on a device.
SETTINGS = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv PATH=/usr/bin:/bin
{more}
"""
CLIENT = """\
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
"""


class Board:
    """`target` is how reszoo is told of it; `store` is what it keeps there."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.device_folder = folder / "device"
        self.config = folder / "config"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def sessions(self) -> list[int]:
        """The processes of sshd that serve connections; not what they have started."""
        found, left = [], children(self.pid)
        while left:
            each = left.pop()
            if told(each, "comm").strip() == "sshd":
                found.append(each)
                left += children(each)
        return found

    @property
    def target(self) -> str:
        return f"ssh://{NAME}{sys.executable}"

    @property
    def store(self) -> Path:
        return self.device_folder / "store"

    @property
    def environment(self) -> dict[str, str]:
        return {"RESZOO_SSH_CONFIG": str(self.config), "RESZOO_DEVICE_FOLDER": str(self.device_folder)}

    def wait(self) -> None:
        """Until it listens."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("sshd does not listen")

    def trust(self) -> None:
        """Know its host key, as after a first connection."""
        key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}")


@contextmanager
def board(folder: Path, more: str = "") -> Iterator[Board]:
    """Skips the test where there is no sshd. `more` is for its configuration."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("there is no sshd here: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what sshd wants of root
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Board(folder, port)
    user = pwd.getpwuid(os.geteuid()).pw_name
    made.config.write_text(CLIENT.format(name=NAME, port=port, user=user, folder=folder))
    made.trust()
    settings = folder / "sshd_config"
    settings.write_text(SETTINGS.format(port=port, folder=folder, more=more))
    with started([SSHD, "-D", "-e", "-f", settings], stderr=subprocess.DEVNULL) as made.process:
        made.wait()
        yield made
        made.process.terminate()
