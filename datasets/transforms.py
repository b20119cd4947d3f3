"""From a picture to a network's input, as a callable for PyTorch's data loaders."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.types import Preprocess
from .images import plain, to_array
from .preprocess import covering, fit, normalise

if TYPE_CHECKING:
    import torch
    from PIL import Image


@dataclass(frozen=True)
class Transforms:
    """A PIL image of any mode and size -> the float32 tensor (C, H, W) that the network takes.

    Turned upright as its EXIF orientation says; then resize, centre crop, scale to [0, 1] and normalise, as
    torchvision does them, to the pixel. Where the network's preprocessing resizes nothing, an image of another size is
    resized to cover the network's input.
    """

    preprocess: Preprocess

    def __call__(self, image: "Image.Image") -> "torch.Tensor":
        import torch
        from PIL import Image, ImageOps

        if not isinstance(image, Image.Image):
            raise UsageError(f"the image is a {type(image).__name__}", "Give a PIL image, as of `Image.open(path)`.")
        picture = plain(ImageOps.exif_transpose(image), self.preprocess.input[0])
        plan = covering(picture.height, picture.width, self.preprocess, "the image")
        pixels = to_array(fit(picture, plan, self.preprocess))
        return torch.from_numpy(normalise(pixels[None], self.preprocess)[0])
