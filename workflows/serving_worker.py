"""A worker of `serve`, as a process of its own: python -m reszoo.workflows.serving_worker ORDER LISTENING TELLING."""

import json
import sys

from ..core.errors import ReszooError
from ..core.orphans import die_with_parent


def main() -> int:
    die_with_parent()
    from ..serving.supervisor import UNANSWERED, tell
    from .serving import Order, run_worker

    order, listening, telling = Order(*json.loads(sys.argv[1])), *map(int, sys.argv[2:])
    try:
        unanswered = run_worker(order, listening, lambda threads: tell(telling, threads=threads))
    except ReszooError as error:
        tell(telling, problem=error.problem, fix=error.fix)
        return error.exit_code
    return UNANSWERED if unanswered else 0


if __name__ == "__main__":
    sys.exit(main())
