"""The signature of an artifact's folder, through model-signing: a Sigstore bundle over the hash of every file.

README.md is not signed, because the hub's model card takes its place. Any other file that is not signed is an error: a
module beside run.py would be imported by it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ReszooError, UsageError
from ..core.files import write_atomic
from ..core.missing import require
from ..core.types import StrPath

if TYPE_CHECKING:
    from model_signing.hashing import Config

SIGNATURE = "model.sig"
UNSIGNED = ("README.md", SIGNATURE)
KEY_FIX = (
    "Make a pair: openssl ecparam -name prime256v1 -genkey -noout -out key.pem && "
    "openssl ec -in key.pem -pubout -out public.pem"
)


class TamperedError(ReszooError):
    """The folder is not what was signed with that key."""


def sign(folder: StrPath, key: StrPath, password: str | None = None) -> Path:
    """Sign all files in the folder with a private key; gives the signature's path, in the folder.

    Args:
        folder: An artifact's.
        key: A PEM file with a private key on a curve P-256, P-384 or P-521.
        password: Of the key, where it has one.

    Raises:
        UsageError: The key cannot be used.
        UnavailableError: The extra `sign` is not installed.
    """
    import tempfile

    require("model_signing", "to sign", "sign")
    from model_signing import signing

    folder, key = Path(folder), _key(key)
    try:
        config: Any = signing.Config().use_elliptic_key_signer(private_key=key, password=password and password.encode())
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{key} cannot sign: {_brief(error)}", KEY_FIX) from error
    with tempfile.TemporaryDirectory(prefix="reszoo-sign-") as work:
        made = Path(work, SIGNATURE)
        config.set_hashing_config(_hashing()).sign(folder, made)
        write_atomic(folder / SIGNATURE, made.read_bytes())
    return folder / SIGNATURE


def check_signature(folder: StrPath, key: StrPath) -> None:
    """Check that the folder holds what was signed by the owner of the key, and no other files.

    Args:
        folder: An artifact's, with `model.sig`.
        key: A PEM file with the public key.

    Raises:
        TamperedError: There is no signature, it is of another key, or a file was changed, added or removed.
        UsageError: The key cannot be used.
        UnavailableError: The extra `sign` is not installed.
    """
    require("model_signing", "to check a signature", "sign")
    from model_signing import verifying

    folder, key = Path(folder), _key(key)
    try:
        config: Any = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{key} cannot check a signature: {_brief(error)}", KEY_FIX) from error
    if not (folder / SIGNATURE).is_file():
        raise TamperedError(f"{folder} is not signed: it has no {SIGNATURE}", "Get it again from whoever signed it.")
    try:
        config.set_hashing_config(_hashing()).verify(folder, folder / SIGNATURE)
    except Exception as error:  # whatever a file that is no signature does to its parsers
        fix = "Do not run it. Get it again from whoever signed it, or name the key that it was signed with."
        raise TamperedError(f"{folder} is not what was signed with {key}: {_brief(error)}", fix) from error


def _hashing() -> "Config":
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[Path(name) for name in UNSIGNED], ignore_git_paths=False)


def _key(path: StrPath) -> Path:
    if not Path(path).is_file():
        raise UsageError(f"there is no key {path}", KEY_FIX)
    return Path(path)


def _brief(error: Exception) -> str:
    """The first line, without the digests of what differs."""
    first = str(error).strip().split("\n")[0].replace("\\'", "'").partition(": Expected ")[0]
    return first or f"the signature is not valid ({type(error).__name__})"
