"""Whether a rule chooses tiles as well as a clock would: `python scripts/c_tiles.py FILE`, on an idle machine; minutes.

The generated C computes each convolution in tiles of pixels and channels (`export/csource/tiles.py`). Here each is
timed with every tile that fits, one thread, this processor's best kernels, builds in turn. Needs what `c_artifact.py`
needs, and goes on where an interrupted run has stopped.
"""

import argparse
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from c_artifact import CIFAR, artifact, test_images
from figures import known, write

from reszoo.core.types import Artifact
from reszoo.export.csource.tiles import INTEGERS, Tile, tiles_for
from reszoo.export.runtimes.c import RUNTIME

BEST = INTEGERS[0]  # AVX-512 VNNI, the first of the tiles that are written
FUNCTION = re.compile(
    r"/\* (?P<shape>\S+ \d+ to (?P<channels>\d+) channels, (?P<height>\d+)x(?P<width>\d+) outputs) \*/\n"
    r"static KERNEL NEVER_INLINE void (?P<name>\w+)\([^{]*\{\s*static const struct tile tiles\[\] = \{(?P<tile>\{.*?\})"
)
CALL = re.compile(r"/\* (\S+): .* \*/\n +(convolve_\d+)\(")
TURNS, RUNS, SECONDS = 3, 10**9, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE")
    options = parser.parse_args()
    if RUNTIME.unavailable("cpu", "avx512vnni"):
        parser.error("the tiles of other kernels are not tried, and this processor has no AVX-512 VNNI")
    for network in CIFAR:
        found = known(options.out)
        if not any(each["network"] == network for each in found):
            print(network, flush=True)
            rows = [{"network": network, **each} for each in tried(artifact(network, "c"))]
            write(options.out, [*found, *rows])


def tried(made: Artifact) -> Iterator[dict[str, Any]]:
    """For each shape of a convolution, the tiles in the rule's order, and what all layers of that shape take."""
    text = (made.path / "network.h").read_text(encoding="utf-8")
    found = list(FUNCTION.finditer(text))
    fitting = {
        its["name"]: tiles_for(BEST, *(int(its[key]) for key in ("height", "width", "channels"))) for its in found
    }
    layers, images = dict(CALL.findall(text)), test_images(made, 4)
    seconds: dict[str, list[list[float]]] = defaultdict(list)  # of each layer: a list a build, of its turns
    builds = max(map(len, fitting.values()))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(builds):
            shutil.copytree(made.path, copy := Path(folder) / str(number))
            (copy / "network.h").write_text(with_tiles(text, fitting, number), encoding="utf-8")
        for turn in range(TURNS):
            for number in range(builds):
                model = msgspec.structs.replace(made, path=Path(folder) / str(number))
                kernels = RUNTIME.profile(model, images, device="cpu", threads=1, runs=RUNS, limit_s=SECONDS)
                for kernel in kernels:
                    if turn == 0:
                        seconds[kernel.name].append([])
                    seconds[kernel.name][number].append(kernel.seconds / len(images))
    calls = Counter(layers.values())
    for its in found:
        own = [name for name, function in layers.items() if function == its["name"]]
        us = [1e6 * float(np.sum([np.median(seconds[name][number]) for name in own])) for number in range(builds)]
        timed = [{"tile": list(tile), "us": round(us[number], 2)} for number, tile in enumerate(fitting[its["name"]])]
        yield {"shape": its["shape"], "layers": calls[its["name"]], "tiles": timed}


def with_tiles(text: str, fitting: dict[str, list[Tile]], number: int) -> str:
    """network.h with the tile of this number in each function; the last, where there are fewer."""

    def other(its: re.Match[str]) -> str:
        tiles = fitting[its["name"]]
        rows, columns, vectors = tiles[min(number, len(tiles) - 1)]
        return its[0].removesuffix(its["tile"]) + f"{{{rows}, {columns}, {vectors}}}"

    return FUNCTION.sub(other, text)


if __name__ == "__main__":
    main()
