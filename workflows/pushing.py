"""`push`: a checkpoint or an artifact onto the Hugging Face hub, with a card that says what it is."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.missing import require
from ..core.progress import Progress, silent
from ..core.refs import HUB_SCHEME
from ..core.types import Artifact, Checkpoint, Metric
from ..zoo import checkpoints, hub
from ..zoo.hub import HubAddress
from .model_card import README, card, licence_of

TIMM_WEIGHTS, TIMM_CONFIG = "model.safetensors", "config.json"


class Pushed(NamedTuple):
    """What became of a push: the REF that names it from now on, where people see it, and the files."""

    ref: str
    url: str
    files: tuple[str, ...]


def push(
    model: Checkpoint | Artifact,
    to: str,
    *,
    licence: str | None = None,
    data: str | None = None,
    private: bool = False,
    message: str | None = None,
    progress: Progress = silent,
) -> Pushed:
    """Push the model onto the Hugging Face hub, or onto the server that HF_ENDPOINT names, with a model card.

    The token is the one of HF_TOKEN or of `hf auth login`; it is written nowhere. A residual network that timm has too
    is pushed as timm reads it as well.

    Args:
        model: What is pushed.
        to: `hf://OWNER/NAME`, which is made where it is not there, or `hf://OWNER/NAME@BRANCH`.
        licence: Of the weights; None is the checkpoint's, and of an artifact that of its source, if that is here.
        data: A data set, "cifar10" or "cifar10/val", on which the model is evaluated for the card; None takes the
            checkpoint's own figures.
        private: Whether a repository that is made is for its owner alone.
        message: Of the commit; None says what was pushed.
        progress: Is told of an evaluation.

    Returns:
        The REF of this very commit, its address, and the names of the files.

    Raises:
        UsageError: `to` is no such address, or is a repository of the other kind, or the licence is not known.
        UnavailableError: huggingface-hub is not installed, nobody is signed in, or nothing may be asked of the network.
        ReszooError: The hub refused it, or could not be reached.
    """
    from ..core.download import is_offline

    require("huggingface_hub", "to push onto the hub", "hub")
    address = hub.address(to)
    if address.file:
        raise UsageError(f"{to} names a file", f"Push to the repository: {HUB_SCHEME}{address.repo}.")
    licence = licence_of(model, licence, source_of(model))
    if is_offline():
        raise UnavailableError("RESZOO_OFFLINE forbids to push", "Unset RESZOO_OFFLINE.")
    if not hub.token_for(f"{hub.endpoint()}/"):
        raise UnavailableError("nobody is signed in to the hub", "Run `hf auth login`, or set HF_TOKEN.")
    metrics = _measured(model, data, progress) if data else model.metrics if isinstance(model, Checkpoint) else ()
    with tempfile.TemporaryDirectory(prefix="reszoo-push-") as folder:
        files = laid_out(model, licence, metrics, address.repo, Path(folder))
        progress("pushing", 0, None)
        commit = _commit(address, files, _other(model), private, message or f"{_name(model)}, by reszoo")
    return Pushed(f"{HUB_SCHEME}{address.repo}@{commit}", f"{hub.endpoint()}/{address.repo}", tuple(sorted(files)))


def laid_out(
    model: Checkpoint | Artifact, licence: str, metrics: "tuple[Metric, ...]", repo: str, folder: Path
) -> dict[str, Path]:
    """The files of the repository, by their names in it. What is made for it is put into the folder."""
    from ..export.artifacts import MANIFEST
    from ..export.signing import SIGNATURE

    if isinstance(model, Artifact):
        names = [MANIFEST, SIGNATURE, *(file.name for file in (*model.files, *model.extras))]
        files = {name: model.path / name for name in names if (model.path / name).is_file()}
        body = files[README].read_text(encoding="utf-8") if README in files else ""
    else:
        home = model.weights_path.parent
        files = {name: home / name for name in (checkpoints.DOCUMENT, checkpoints.WEIGHTS)} | _for_timm(model, folder)
        body = ""
    (folder / README).write_text(card(model, licence, metrics, repo, body), encoding="utf-8")
    return files | {README: folder / README}


def _for_timm(checkpoint: Checkpoint, folder: Path) -> dict[str, Path]:
    """The weights and the configuration that timm loads, where the network is one of timm's."""
    from importlib.util import find_spec

    import msgspec

    from ..zoo.libraries import timm_config
    from .exporting import export_weights

    config = timm_config(checkpoint)
    if config is None or find_spec("timm") is None:
        return {}
    files = {name: folder / name for name in (TIMM_CONFIG, TIMM_WEIGHTS)}
    try:
        export_weights(checkpoint, "timm", out=files[TIMM_WEIGHTS])
    except UsageError:  # it differs from timm's in what its name there does not say
        return {}
    files[TIMM_CONFIG].write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
    return files


def source_of(model: Checkpoint | Artifact) -> Checkpoint | None:
    """The checkpoint that the artifact was made of, if it is on this machine."""
    from .. import zoo
    from ..zoo import names

    if not isinstance(model, Artifact) or model.source_ref not in names.known():
        return None
    found = zoo.find(model.source_ref)
    return found if found and found.sha256 == model.weights_sha256 else None


def _measured(model: Checkpoint | Artifact, data: str, progress: Progress) -> tuple[Metric, ...]:
    from ..core.hosts import versions
    from .evaluating import evaluate

    name, _, split = data.partition("/")
    found = evaluate(model, name, split=split or "test", progress=progress)  # type: ignore[arg-type]
    source = f"reszoo {versions(('reszoo',)).get('reszoo', '')} evaluate, in {found.runtime}"
    accuracy = Metric(
        name="accuracy",
        value=found.accuracy,
        dataset=name,
        split=found.predictions.split,
        origin="measured",
        source=source,
        n=found.n,
    )
    return (accuracy,)


def _name(model: Checkpoint | Artifact) -> str:
    return f"{model.source_ref} as {model.format}, {model.precision}" if isinstance(model, Artifact) else model.ref


def _other(model: Checkpoint | Artifact) -> str:
    """The document that a repository of the other kind has."""
    from ..export.artifacts import MANIFEST

    return checkpoints.DOCUMENT if isinstance(model, Artifact) else MANIFEST


def _commit(address: HubAddress, files: dict[str, Path], other: str, private: bool, message: str) -> str:
    """Put all files there in one commit, and give its hash."""
    from huggingface_hub import CommitOperationAdd, HfApi

    from ..core.hosts import versions

    api = HfApi(endpoint=hub.endpoint(), library_name="reszoo", library_version=versions(("reszoo",)).get("reszoo"))
    branch = address.revision
    with _explained(address):
        api.create_repo(address.repo, private=private, exist_ok=True)
        if branch != hub.DEFAULT_REVISION:
            api.create_branch(address.repo, branch=branch, exist_ok=True)
        if api.file_exists(address.repo, other, revision=branch):
            raise UsageError(
                f"{address.repo} has a {other}: it holds something of another kind", "Push to a repository of its own."
            )
        operations = [CommitOperationAdd(name, path) for name, path in sorted(files.items())]
        made = api.create_commit(address.repo, operations, commit_message=message, revision=branch)
        return str(made.oid)


@contextmanager
def _explained(address: HubAddress) -> Iterator[None]:
    """Errors of the hub's client, in words, and its progress bars and warnings nowhere."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    from ..core.silence import quietly

    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with quietly():
            yield
    except HFValidationError as error:
        raise UsageError(f"the hub has no such names: {error}", "Write hf://OWNER/NAME.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        fix = "Try again later."
        if status in (401, 403, 404):
            fix = f"Sign in with a token that may write to {address.owner}: `hf auth login`, or HF_TOKEN."
        problem = f"the hub refused {address.repo}: {status} {error.server_message or ''}".strip()
        raise ReszooError(problem, fix) from error
    except (OSError, ValueError) as error:
        raise ReszooError(
            f"{hub.endpoint()} cannot be used: {error}", "Check the network, the proxy and HF_ENDPOINT."
        ) from error
    finally:
        if had_bars:
            enable_progress_bars()
