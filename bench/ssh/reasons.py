"""Why a device cannot be reached, from what ssh said, and what to do."""

from ...core.errors import UnavailableError
from .address import Address

NOT_FOUND = 127  # a shell's exit code for a program that is not there
# What ssh says (OpenSSH 9), the reason, the fix.
KNOWN = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that it had",
        "If that was meant to be, forget the old one: ssh-keygen -R {host}. Else somebody may be in between.",
    ),
    (
        "Host key verification failed",
        "its host key is not known here",
        "Connect once by hand, and compare the fingerprint: ssh {host}",
    ),
    (
        "Permission denied",
        "it asks for a password or another key",
        "Let a key in: ssh-copy-id {host}. Nobody is asked for a password.",
    ),
    ("Could not resolve hostname", "nobody knows that name", "Check it: ssh {host}"),
    ("Connection refused", "nothing listens there", "Check the address, the port, and that its sshd runs: ssh {host}"),
    ("timed out", "it does not answer", "Check that it is on, and in this network: ping {host}"),
    ("No route to host", "no way leads there", "Check that it is on, and in this network: ping {host}"),
)


def unreachable(address: Address, code: int, said: str) -> UnavailableError:
    """`code` is that with which ssh ended before our program spoke."""
    name = address.host.rpartition("@")[2]
    for words, reason, fix in KNOWN:
        if words in said:
            port = f" -p {address.port}" if address.port and "ssh {host}" in fix else ""
            return UnavailableError(f"{name} cannot be reached: {reason}", fix.format(host=address.host + port))
    last = (said.splitlines() or ["it said nothing"])[-1]
    if code == NOT_FOUND:
        return UnavailableError(
            f"there is no {address.python} on {name}: {last}",
            "Install it there (sudo apt install python3 python3-numpy), or name it: ssh://HOST/usr/bin/python3.11",
        )
    return UnavailableError(
        f"{name} cannot be used: ssh ended with exit code {code}: {last}", f"Try: ssh {address.host}"
    )
