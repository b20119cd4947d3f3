"""`create_model`: a network by the name of its architecture, fresh or with the weights of a checkpoint."""

from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..models import spec_of
from ..models.fields import changed
from . import catalogue, checkpoints, store

if TYPE_CHECKING:
    from torch import nn


def create_model(
    name: str,
    *,
    pretrained: str | bool = False,
    num_classes: int | None = None,
    in_chans: int | None = None,
    **changes: object,
) -> "nn.Module":
    """Make a network: (N, C, H, W) -> (N, num_classes) logits.

    Args:
        name: An architecture, such as resnet20_v2, wide_resnet28_10_v2 or resnet20_v2+skip=gate, or a checkpoint, as
            in resnet20_v2.reszoo_cifar10, whose weights are then loaded.
        pretrained: The checkpoint's tag, as reszoo_cifar10; True where the architecture has just one checkpoint.
        num_classes: Outputs; None is the architecture's or the checkpoint's own number. A pretrained network with
            another number gets a fresh head, all else stays.
        in_chans: Channels of the image; None is the architecture's own number.
        **changes: Other fields of the architecture's spec, such as norm="group"; not with pretrained weights.

    Returns:
        A module in training mode, or in eval mode where its weights are a checkpoint's with its own head.

    Raises:
        UsageError: An unknown name, a field that the spec does not have, or a pretrained network that is asked to be
            another one.
        UnavailableError: The checkpoint has to be downloaded, and cannot be.
    """
    arch, tag = catalogue.divided(name)
    if tag or pretrained:
        return _pretrained(arch, tag or _tag(arch, pretrained), num_classes, in_chans, changes)
    from .. import models

    spec = spec_of(arch)
    given: dict[str, object] = {} if num_classes is None else {"num_classes": num_classes}
    if in_chans is not None:
        given["input"] = (in_chans, *spec.input[1:])
    return models.build(changed(spec, given | changes))


def _tag(arch: str, pretrained: str | bool) -> str:
    if isinstance(pretrained, str):
        return pretrained
    names = [catalogue.divided(ref) for ref in catalogue.refs()]
    tags = [each.tag for each in names if each.arch == arch]
    if len(tags) == 1:
        return tags[0]
    known = f"Choose one: pretrained={' or '.join(map(repr, tags))}." if tags else "See `reszoo list`."
    raise UsageError(f"{arch} has {len(tags) or 'no'} checkpoint{'s' * (len(tags) != 1)}", known)


def _pretrained(
    arch: str, tag: str, num_classes: int | None, in_chans: int | None, changes: dict[str, object]
) -> "nn.Module":
    from ..models import network

    checkpoint = store.load(f"{arch}.{tag}")
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"a network of {num_classes} classes tells nothing apart", "Give `num_classes=1` or more.")
    if changes or in_chans not in (None, checkpoint.spec.input[0]):
        raise UsageError(
            f"the weights of {checkpoint.ref} are for its own spec", "Leave other fields away, or `pretrained`."
        )
    model = checkpoints.build(checkpoint)
    if num_classes is not None and num_classes != checkpoint.spec.num_classes:
        network.replace_head(model, checkpoint.spec, num_classes)
        model.train()
    return model
