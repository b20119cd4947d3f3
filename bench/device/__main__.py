"""The file on the device, as a program: `agent FOLDER` is what ssh starts, `worker` is what that starts."""

import sys

from .. import worker
from .agent import main

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker.main()
    else:
        main(sys.argv[2])
