"""Whether a network that fits its training images has learnt anything, by labels that mean nothing.

Zhang et al. 2017 ("Understanding deep learning requires rethinking generalization"): networks fit random labels.
"""

from statistics import fmean
from typing import TYPE_CHECKING

from .engine.records import Claim, Condition, Contrast, Control, Figure, Measured, Region, Scale, Settings, above, below
from .engine.study import Study, grid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .engine.networks import Batch

DEPTHS: dict[Scale, int] = {"smoke": 8, "cpu": 20, "gpu": 56}
IMAGES: dict[Scale, int] = {"smoke": 100, "cpu": 500, "gpu": 1000}
EPOCHS: dict[Scale, int] = {"smoke": 40, "cpu": 40, "gpu": 80}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
TEST_IMAGES = 1000
BATCH = 25
RATE, MOMENTUM = 0.05, 0.9
ABOVE_CHANCE = 20.0  # %: what a network of ten classes gives that knows something of them

METRICS = {
    "fitted": "accuracy on the images that it was trained with, %",
    "accuracy": "accuracy on test, %",
    "fitting": "accuracy on the images that it is trained with, by the way, %",
}


def _of(metric: str, labels: str, region: Region) -> Contrast:
    return Contrast(metric=metric, where={"labels": labels}, region=region)


CLAIMS = (
    Claim(
        key="random-labels-are-fitted",
        hypothesis="With random labels a network comes to fit over 90 % of its training images.",
        textbook="v1 and v2 are compared by how they fit random labels of random images",
        paper="Zhang 2017: networks fit random labels, without one error",
        contrast=_of("fitted", "random", above(90)),
    ),
    Claim(
        key="fitting-shows-learning",
        hypothesis="That it fits them shows that it learnt: it tells other images apart, over 20 % of them.",
        textbook="a loss that falls on such images shows which network converges better",
        paper="Zhang 2017: what fits random labels is at chance on test",
        contrast=_of("accuracy", "random", above(ABOVE_CHANCE)),
    ),
)

CONTROLS = (
    Control(
        key="true-labels",
        kind="positive",
        says="with true labels the same training tells other images apart",
        contrast=_of("accuracy", "true", above(ABOVE_CHANCE)),
    ),
    Control(
        key="untrained",
        kind="negative",
        says="a network that is trained with a rate of 0 tells no images apart",
        contrast=_of("accuracy", "none", below(ABOVE_CHANCE)),
    ),
    Control(
        key="true-labels-fitted",
        kind="positive",
        says="true labels are fitted",
        contrast=_of("fitted", "true", above(90)),
    ),
    Control(
        key="untrained-fitted",
        kind="negative",
        says="a network that is trained with a rate of 0 fits nothing",
        contrast=_of("fitted", "none", below(90)),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    return grid({"labels": ("random", "true", "none"), "family": ("v1", "v2")})


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    from ..training import initialised
    from ..training.specs import preprocess_for
    from .engine.networks import draw, spec_for

    spec = spec_for(f"resnet{DEPTHS[settings.scale]}_{condition['family']}", settings.data)
    preprocess, device = preprocess_for(settings.data, spec), "cuda" if settings.scale == "gpu" else "cpu"
    known = draw(settings.data, "train", preprocess, IMAGES[settings.scale], seed).to(device)
    if condition["labels"] == "random":
        known = known._replace(labels=random_labels(known.labels, spec.num_classes, seed))
    model, epochs = initialised(spec, seed).to(device), EPOCHS[settings.scale]
    fitting = fit(model, known, epochs, RATE if condition["labels"] != "none" else 0.0, seed)
    test = draw(settings.data, "test", preprocess, TEST_IMAGES, seed).to(device)
    return Measured(
        values={"fitted": accuracy(model, known), "accuracy": accuracy(model, test)},
        series={"fitting": tuple(fitting)},
        images=(epochs + 1) * len(known.labels) + len(test.labels),
    )


def random_labels(labels: "Tensor", classes: int, seed: int) -> "Tensor":
    """As many, and none of them says anything of its image."""
    import torch

    return torch.randint(classes, labels.shape, generator=torch.Generator().manual_seed(seed)).to(labels.device)


def fit(model: "nn.Module", batch: "Batch", epochs: int, rate: float, seed: int) -> list[float]:
    """Train on these images and no others, without augmentation: the accuracy on them in each epoch, %."""
    import torch
    from torch.nn import functional as F

    optimizer = torch.optim.SGD(model.train().parameters(), rate, MOMENTUM)
    order, found = torch.Generator().manual_seed(seed), []
    for _ in range(epochs):
        right = []
        for chosen in torch.split(torch.randperm(len(batch.labels), generator=order), BATCH):
            logits, labels = model(batch.images[chosen]), batch.labels[chosen]
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(logits, labels))
            optimizer.step()
            right.append(float((logits.argmax(1) == labels).float().mean()))
        found.append(100 * fmean(right))
    return found


def accuracy(model: "nn.Module", batch: "Batch") -> float:
    """In eval mode, %."""
    import torch

    model.eval()
    with torch.inference_mode():
        answers = torch.cat([model(images).argmax(1) for images in torch.split(batch.images, 10 * BATCH)])
    return 100 * float((answers == batch.labels).float().mean())


STUDY = Study(
    name="memorisation",
    title="Memorised labels",
    question="Does a network that fits its training images know anything of others?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    figures=(
        Figure(
            name="fitting",
            title="How labels are fitted",
            y="fitting",
            x="position",
            where={},
            lines=("labels", "family"),
            x_title="epoch",
        ),
    ),
    caveats=(
        "The textbook's images are noise as well as their labels; here they are real ones, so that the same training "
        "with true labels shows what learning looks like.",
        "A few hundred images: with true labels a network learns a little of them, and far from all.",
    ),
)
