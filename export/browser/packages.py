"""The runtimes for browsers that artifacts carry with them: which packages of npm, and which of their files."""

import shutil
from pathlib import Path

from ..npm import Package, bring

FOLDER = "runtime"

ONNXRUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    {
        "dist/ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "dist/ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "dist/ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    },
)


def put(folder: Path, *packages: Package, licence: str, source: str) -> None:
    """Write the packages' files into the folder `runtime` of an artifact, without their folders, and what they are."""
    target = folder / FOLDER
    target.mkdir()
    for package in packages:
        kept = bring(package)
        for name in package.files:
            shutil.copyfile(kept / name, target / Path(name).name)
    named = "".join(f"{package.name} {package.version}, https://www.npmjs.com/package/{package.name}\n" for package in packages)
    (target / "README.txt").write_text(f"{named}\nLicence: {licence}. Source: {source}\n", encoding="utf-8")
