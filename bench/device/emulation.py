"""Whether a program plays this processor."""

import threading
from pathlib import Path


def emulator() -> str | None:
    """ "qemu-aarch64" where QEMU's user mode runs this process, else None.

    It answers for /proc/self/exe what a process expects, and the kernel answers for the thread's own link.
    """
    try:
        name = Path(f"/proc/self/task/{threading.get_native_id()}/exe").readlink().name
    except OSError:
        return None
    return name.replace("-static", "") if name.startswith("qemu-") else None
