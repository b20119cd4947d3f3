"""The networks for CIFAR-10 that come with reszoo, trained: `python scripts/checkpoints.py FOLDER [ARCH...]`.

Each is one `reszoo train ... --resume` with one thread, two at a time, into `FOLDER/ARCH.reszoo_cifar10`. Whatever
stops them, the same command goes on from FOLDER alone, here or, with the same kind of processor, elsewhere; what is
finished is not repeated. Their logs lie in FOLDER too. A signal that ends this script alone leaves its two runs at
work: until these are done or stopped, others for the same place are refused.

    python scripts/checkpoints.py ~/made
    python scripts/checkpoints.py ~/made resnet8_v1 resnet8_v2 --recipe cifar-fast -- --epochs 60
    python scripts/checkpoints.py ~/made --teacher teacher-int8     # an artifact of `reszoo quantize`

What stands after `--` goes to `reszoo train`. Needs CIFAR-10 (`reszoo data get cifar10`); the teacher is downloaded.
"""

import argparse
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NETWORKS = ("resnet20_v2", "resnet20_v1", "resnet8_v1", "resnet8_v2")  # the longest first
DATA, RECIPE = "cifar10", "cifar"
TEACHER, VIEWS = "resnet56_v1.akamaster_cifar10", 16
AT_ONCE = 2


def main() -> int:
    options = parse()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = list(pool.map(lambda arch: train(arch, options), options.networks))
    return int(any(codes))  # a signal is a negative code


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", metavar="ARCH", help=f"without any: {', '.join(NETWORKS)}")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--teacher", default=TEACHER, metavar="REF", help='"" trains on the labels alone')
    given = sys.argv[1:]
    place = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:place])
    options.networks, options.more = options.networks or list(NETWORKS), given[place + 1 :]
    return options


def command(arch: str, options: argparse.Namespace) -> list[str]:
    taught = ["--teacher", options.teacher, "--set", f"teacher_views={VIEWS}"] if options.teacher else []
    recipe = ["--data", options.data, "--recipe", options.recipe, "--threads", "1", *taught, *options.more]
    out = ["--out", str(place_of(arch, options)), "--resume"]
    return [sys.executable, "-m", "reszoo.cli.main", "train", arch, *recipe, *out]


def place_of(arch: str, options: argparse.Namespace) -> Path:
    folder: Path = options.folder
    return folder / f"{arch}.reszoo_{options.data}"


def train(arch: str, options: argparse.Namespace) -> int:
    place = place_of(arch, options)
    if (place / "checkpoint.json").exists():
        print(f"{place} is there")
        return 0
    asked = command(arch, options)
    print(shlex.join(asked), flush=True)
    with (options.folder / f"{place.name}.log").open("a") as log:
        code = subprocess.run(asked, stdout=log, stderr=log, check=False).returncode
    print(f"{place}: {'done' if code == 0 else f'stopped with {code}, see {log.name}'}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
