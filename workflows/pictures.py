"""What `predict` takes for an image: a path, a PIL image, an array of pixels, or a tensor."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..core.errors import UsageError
from ..core.types import StrPath
from ..datasets.images import MODES, SUFFIXES, named, plain
from ..datasets.listing import Found, images_in
from ..export.predicting import Picture, read_image

if TYPE_CHECKING:
    import torch

    OneImage = StrPath | Image.Image | NDArray[np.uint8] | torch.Tensor
    Images = OneImage | Sequence[OneImage]


def found(paths: Iterable[StrPath]) -> Found:
    """The files themselves: a folder stands for the images in it; a file that is named is taken as it is."""
    images: list[Path] = []
    ignored = 0
    for path in map(Path, paths):
        if not os.path.lexists(path):  # a link that leads nowhere is one bad image among the others
            raise UsageError(f"there is no image {path}", "Give image files, or folders of them.")
        inside = images_in(path) if path.is_dir() else Found([path], 0)
        if not inside.images:
            raise UsageError(f"there is no image in {path}", f"It holds no {', '.join(sorted(SUFFIXES))} file.")
        images += inside.images
        ignored += inside.ignored
    return Found(images, ignored)


def pictures(images: "Images") -> list[Picture]:
    """Every single picture of what was given, named by its path or its place."""
    if isinstance(images, str) or not isinstance(images, Sequence):
        return list(_each(images, "image"))
    return [picture for number, image in enumerate(images) for picture in _each(image, f"image {number}")]


def inputs(images: "Images") -> NDArray[np.float32] | None:
    """Float tensors, which are a network's input already, as one array (N, C, H, W); None for all else."""
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    given: Any = images if isinstance(images, Sequence) else [images]
    if not (torch and given and all(isinstance(one, torch.Tensor) and one.is_floating_point() for one in given)):
        return None
    tensors = [one[None] if one.ndim == 3 else one for one in given]
    if any(one.ndim != 4 or one.shape[1:] != tensors[0].shape[1:] for one in tensors):
        shapes = ", ".join(str(tuple(one.shape)) for one in tensors[:3])
        raise UsageError(f"tensors of {shapes} are no batch", "Give (C, H, W) or (N, C, H, W), all of one size.")
    batch: NDArray[np.float32] = torch.cat(tensors).detach().cpu().float().numpy()
    return batch


def _each(image: Any, name: str) -> Iterator[Picture]:
    if isinstance(image, str | os.PathLike):
        yield from (Picture(str(path), partial(read_image, path)) for path in found([image]).images)
    elif isinstance(image, Image.Image):
        yield Picture(name, partial(_upright, image, name))
    elif isinstance(image, np.ndarray):
        yield from _of_array(image, name)
    elif hasattr(image, "permute"):
        yield from _of_array(image.movedim(-3, -1).cpu().numpy(), name)
    else:
        raise UsageError(f"{name} is a {type(image).__name__}", "Give paths, PIL images, uint8 arrays or tensors.")


def _of_array(pixels: NDArray[Any], name: str) -> Iterator[Picture]:
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[-1] not in MODES or not pixels.size:
        raise UsageError(
            f"{name} has {pixels.dtype} {pixels.shape}",
            "Give uint8 pixels: arrays (H, W, C) or (N, H, W, C), tensors (C, H, W) or (N, C, H, W), C being 1 or 3.",
        )
    for number, one in enumerate(pixels[None] if pixels.ndim == 3 else pixels):
        which = f"{name} [{number}]" if pixels.ndim == 4 else name
        image = Image.fromarray(one[..., 0] if one.shape[-1] == 1 else np.ascontiguousarray(one))
        yield Picture(which, partial(plain, image))


def _upright(image: Image.Image, where: str, channels: int) -> Image.Image:
    with named(where):  # of a file that was opened and not read so far
        return plain(ImageOps.exif_transpose(image), channels, where)
