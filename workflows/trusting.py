"""`sbom` and `sign`: what an artifact is made of, and by whom."""

from pathlib import Path

from ..core.errors import UsageError
from ..core.types import Artifact, StrPath


def write_sbom(artifact: Artifact, *, licence: str | None = None) -> Path:
    """Write `sbom.cdx.json` into the artifact's folder: its files, and the versions of all that made it, as CycloneDX.

    Args:
        artifact: What it is of; `artifact.json` lists the file then.
        licence: Of the weights; None is its source's, where that is on this machine.

    Returns:
        The file.

    Raises:
        UsageError: The folder is signed already, and would not be what was signed.
        UnavailableError: The extra `sbom` is not installed.
    """
    from msgspec.structs import replace

    from ..core.documents import read_json, write_json
    from ..core.files import write_atomic
    from ..export.artifacts import FIX, MANIFEST, record
    from ..export.sbom import SBOM, sbom
    from ..export.signing import SIGNATURE
    from .pushing import source_of

    if (artifact.path / SIGNATURE).exists():
        raise UsageError(
            f"{artifact.path} is signed, and another file would break that",
            f"Delete its {SIGNATURE}, and sign it again.",
        )
    source = source_of(artifact)
    text = sbom(artifact, licence or (source.licence if source else None))
    path = artifact.path / SBOM
    write_atomic(path, text.encode())
    manifest = read_json(artifact.path / MANIFEST, Artifact, FIX)
    others = tuple(file for file in manifest.extras if file.name != SBOM)
    write_json(artifact.path / MANIFEST, replace(manifest, extras=(*others, record(path))))
    return path


def sign(artifact: Artifact, key: StrPath, *, password: str | None = None) -> Path:
    """Sign every file of the artifact's folder but README.md; `check_signature` finds whatever is changed after that.

    Args:
        artifact: What is signed.
        key: A PEM file with a private key on a curve P-256, P-384 or P-521. It is read, and kept nowhere.
        password: Of the key, where it has one.

    Returns:
        The signature, `model.sig` in the folder.

    Raises:
        UsageError: The key cannot be used.
        UnavailableError: The extra `sign` is not installed.
    """
    from ..export.signing import sign as write

    return write(artifact.path, key, password)


def check_signature(artifact: Artifact, key: StrPath) -> None:
    """Check that the folder is what the owner of the key signed, and that nothing was added to it.

    Args:
        artifact: What is checked.
        key: A PEM file with the public key.

    Raises:
        ReszooError: It is not.
        UsageError: The key cannot be used.
        UnavailableError: The extra `sign` is not installed.
    """
    from ..export.signing import check_signature as check

    check(artifact.path, key)
