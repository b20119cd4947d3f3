"""The networks for CIFAR-10 that come with reszoo, trained: `python scripts/checkpoints.py FOLDER [ARCH...]`.

Each is one `reszoo train ... --resume` with one thread, two at a time, into `FOLDER/ARCH.reszoo_dist_cifar10`. First
their recipe is copied to FOLDER, and the teacher is exported in int8 to `FOLDER/teacher`; it is asked once for all
networks. Whatever stops the script, the same command goes on from FOLDER alone, here or, with the same kind of
processor, elsewhere; what is finished is not repeated, and edits of the recipes here change nothing. Logs lie in FOLDER
too. A signal that ends this script alone leaves its two runs at work: until these are done or stopped, others for the
same place are refused.

    python scripts/checkpoints.py ~/made
    python scripts/checkpoints.py ~/made resnet8_v1 resnet8_v2 --recipe cifar-fast -- --epochs 60
    python scripts/checkpoints.py ~/made --teacher ''     # on the labels alone

What stands after `--` goes to `reszoo train`. Needs CIFAR-10 (`reszoo data get cifar10`); the teacher is downloaded.
"""

import argparse
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reszoo import training
from reszoo.core.files import write_atomic
from reszoo.export import artifacts
from reszoo.training import recipe as recipes

NETWORKS = ("resnet20_v2", "resnet20_v1", "resnet8_v1", "resnet8_v2")  # the longest first
DATA, RECIPE = "cifar10", "cifar"
TEACHER, VIEWS = "resnet56_v1.akamaster_cifar10", 40
AT_ONCE = 2
RESZOO = (sys.executable, "-m", "reszoo.cli.main")


def main() -> int:
    options = parse()
    prepare(options)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = list(pool.map(lambda arch: train(arch, options), options.networks))
    return int(any(codes))  # a signal is a negative code


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", metavar="ARCH", help=f"without any: {', '.join(NETWORKS)}")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--recipe", default=RECIPE, choices=recipes.names())
    parser.add_argument("--teacher", default=TEACHER, metavar="REF", help='"" trains on the labels alone')
    given = sys.argv[1:]
    place = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:place])
    options.networks, options.more = options.networks or list(NETWORKS), given[place + 1 :]
    return options


def prepare(options: argparse.Namespace) -> None:
    """What decides all runs, in their folder."""
    options.folder.mkdir(parents=True, exist_ok=True)
    if not (recipe := recipe_of(options)).exists():
        write_atomic(recipe, (recipes.FOLDER / recipe.name).read_bytes())
    if not options.teacher:
        return
    if not (teacher := options.folder / "teacher").exists():
        asked = ("export", options.teacher, "--to", "onnx", "--precision", "int8", "--out", str(teacher))
        subprocess.run([*RESZOO, *asked], check=True)
    if (known := artifacts.read(teacher).source_ref) != options.teacher:
        sys.exit(f"{teacher} was made of {known}, not of {options.teacher}: choose another FOLDER")


def recipe_of(options: argparse.Namespace) -> Path:
    folder: Path = options.folder
    return folder / f"{options.recipe}.toml"


def command(arch: str, options: argparse.Namespace) -> list[str]:
    teacher = ["--teacher", str(options.folder / "teacher"), "--set", f"teacher_views={VIEWS}"]
    taught = teacher if options.teacher else []
    recipe = ["--data", options.data, "--recipe", str(recipe_of(options)), "--threads", "1", *taught, *options.more]
    return [
        *RESZOO,
        "train",
        arch,
        "--tag",
        tag_of(options),
        *recipe,
        "--out",
        str(place_of(arch, options)),
        "--resume",
    ]


def tag_of(options: argparse.Namespace) -> str:
    """Weights under a name never change, and those that learnt from the labels alone have the shorter one."""
    return f"reszoo_dist_{options.data}" if options.teacher else f"reszoo_{options.data}"


def place_of(arch: str, options: argparse.Namespace) -> Path:
    folder: Path = options.folder
    return folder / f"{arch}.{tag_of(options)}"


def train(arch: str, options: argparse.Namespace) -> int:
    place = place_of(arch, options)
    if (place / "checkpoint.json").exists():
        training.tidy(place)
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
