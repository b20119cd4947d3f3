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
# As the browser can: "compat" goes without relaxed SIMD, which the others need.
LITERT = Package(
    "@litertjs/core",
    "2.5.3",
    {
        "dist/index.js": "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
        "wasm/litert_wasm_compat_internal.js": "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
        "wasm/litert_wasm_compat_internal.wasm": "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
        "wasm/litert_wasm_internal.js": "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
        "wasm/litert_wasm_internal.wasm": "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
        "wasm/litert_wasm_threaded_internal.js": "92fe7a720c6deedaa1194c011c79a005ea4f6fc98f533b661cf7900760ab4849",
        "wasm/litert_wasm_threaded_internal.wasm": "b5e54eca10f043497edf9a02186332707cae260c550d7ea22b2cae55669596cf",
    },
)
LITERT_UTILS = Package(
    "@litertjs/wasm-utils",
    "2.5.3",
    {"dist/index.js": "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2"},
)


def put(folder: Path, *packages: Package, licence: str, source: str) -> None:
    """Write the packages' files into the folder `runtime` of an artifact, each under its package's name."""
    target = folder / FOLDER
    for package in packages:
        kept = bring(package)
        for name in package.files:
            path = target / package.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept / name, path)
    named = "".join(f"npm's package {each}\n" for each in packages)
    (target / "README.txt").write_text(f"{named}\nLicence: {licence}. Source: {source}\n", encoding="utf-8")
