"""Resize, crop and normalisation equal torchvision's, to the pixel."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from reszoo.core.errors import UsageError
from reszoo.core.types import Preprocess
from reszoo.datasets.photos import crops
from reszoo.datasets.preprocess import fit, geometry, in_steps, normalise, renormalised, scale_and_shift

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", [(301, 200), (200, 301), (256, 256), (224, 500), (97, 64)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [232, 256])
def test_equal_to_torchvision(size, interpolation, resize):
    preprocess = Preprocess(
        mean=MEAN, std=STD, input=(3, 224, 224), resize=resize, crop=224, interpolation=interpolation
    )
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8))
    pixels = np.asarray(fit(image, geometry(image.height, image.width, preprocess, "test"), preprocess))
    mode = transforms.InterpolationMode(interpolation)
    shaped = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(224)])(image)
    np.testing.assert_array_equal(pixels, np.asarray(shaped))

    reference = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])(shaped).numpy()
    ours = normalise(pixels[None], preprocess)
    assert (ours.dtype, ours.shape, ours.flags.c_contiguous) == (np.float32, (1, 3, 224, 224), True)
    np.testing.assert_allclose(ours[0], reference, rtol=0, atol=1e-6)
    assert torch.from_numpy(ours).is_contiguous()


def test_a_crop_without_a_resize():
    preprocess = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 5, 5), crop=5)
    image = Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10))
    ours = np.asarray(fit(image, geometry(10, 10, preprocess, "test"), preprocess))
    np.testing.assert_array_equal(ours, np.asarray(transforms.CenterCrop(5)(image)))


@pytest.mark.parametrize(
    ("size", "resize", "crop"), [((28, 28), None, None), ((20, 40), None, 32), ((40, 60), 32, None), ((40, 40), 16, 32)]
)
def test_sizes_that_do_not_lead_to_the_input_are_named(size, resize, crop):
    preprocess = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 32, 32), resize=resize, crop=crop)
    with pytest.raises(UsageError, match=f"mine: {size[0]}x{size[1]} images do not give the 32x32 input"):
        geometry(*size, preprocess, "mine")


def test_the_other_forms_of_a_normalisation_say_the_same():
    """Those that training, exported graphs and distillation compute with."""
    own = Preprocess(mean=MEAN, std=STD, input=(3, 4, 4))
    other = Preprocess(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25), input=(3, 4, 4))
    images = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3), np.uint8)
    raw = images.transpose(0, 3, 1, 2).astype(np.float32)
    mean, std = (values[:, None, None] for values in in_steps(own))
    np.testing.assert_allclose((raw - mean) / std, normalise(images, own), atol=1e-5)
    scale, shift = (values[:, None, None] for values in scale_and_shift(own))
    np.testing.assert_allclose(raw * scale + shift, normalise(images, own), atol=1e-5)
    scale, shift = (values[:, None, None] for values in renormalised(own, other))
    np.testing.assert_allclose(normalise(images, own) * scale + shift, normalise(images, other), atol=1e-5)


@pytest.mark.parametrize("images", [np.zeros((2, 32, 32, 3), np.float32), np.zeros((2, 3, 32, 32), np.uint8)])
def test_normalise_takes_nothing_but_raw_pixels_of_the_right_shape(images):
    preprocess = Preprocess(mean=MEAN, std=STD, input=(3, 32, 32))
    with pytest.raises(UsageError, match=r"the network takes uint8 \(n, 32, 32, 3\)"):
        normalise(images, preprocess)


@pytest.mark.parametrize("channels", [1, 3])
def test_photo_crops_are_varied_and_repeatable(channels):
    preprocess = Preprocess(mean=MEAN[:channels], std=STD[:channels], input=(channels, 32, 48))
    images = crops(16, preprocess, seed=0)
    assert (images.shape, images.dtype) == ((16, 32, 48, channels), np.uint8)
    np.testing.assert_array_equal(images, crops(16, preprocess, seed=0))
    assert len({image.tobytes() for image in images}) == 16
    assert images.std() > 30  # pictures, not blanks
