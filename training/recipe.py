"""A recipe: everything that decides how a network is trained, as one typed document."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..core.choices import Choices
from ..core.documents import read_toml, to_builtins
from ..core.errors import UsageError
from ..core.limits import check_counts
from ..core.registry import unknown
from ..core.types import Fraction, NotNegative, Positive, StrPath

FOLDER = Path(__file__).parent / "recipes"
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]
NotNegativeFloat = Annotated[float, msgspec.Meta(ge=0)]


class Recipe(Choices, frozen=True, kw_only=True):
    """How to train. 0 turns an optional ingredient off. Milestones and warm-up are fractions of the run.

    Attributes:
        steps: Ends the run after so many optimizer steps, if that is before `epochs`.
        batch: Images per step over all processes; what is left of an epoch is dropped.
        decay_all: Weight decay on norms and biases too, as the papers had it.
        clip_norm: The largest norm of all gradients together.
        ema_decay: Keep a moving average of the weights and use it in place of the last ones.
        lookahead: Every so many steps the weights move towards their last average, and the average takes their place
            (Zhang et al. 2019); its pull grows to that of airbench (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds").
        backbone_lr: Of a checkpoint that is gone on with, a factor on the learning rate of all layers but the head.
        freeze: Of such a checkpoint, glob patterns of the parameters that stay as they are, as in "stages.[01].*". A
            batch norm all of whose parameters do keeps its statistics too.
        group_sparsity: Shrinks the weakest channels of coupled layers, so that pruning them costs little.
        schedule: After the warm-up: half a cosine, a straight line (one cycle), or drops by `drop_factor` at the
            `milestones`.
        warmup: As long as this, a straight line from `warmup_factor` * lr, or that as a constant.
        mixup: Alpha of the Beta distribution that a batch's ratio is drawn from.
        cutmix: The same; where both are above 0, they take turns.
        padding: Pixels that a random crop may move, filled with the mean colour or a reflection.
        alternating_flip: Which images are mirrored is random in the first epoch, and turned around in each one after
            that (Jordan 2024, "alternating flip").
        cutout: The side of a blank square.
        initial_scale: The first images have this share of the full height and width. They grow in a straight line, an
            eighth at a time, until they have the full size at the fraction `full_scale_at` of the run: progressive
            resizing (Howard 2018, fast.ai's entry to DAWNBench).
        crop_scale: The smallest area of a random resized crop, for data sets of large images only.
        stochastic_depth: Replaces the spec's probability; None leaves it.
        temperature: Of the soft targets of distillation, which have `teacher_share` of the loss.
        teacher_views: Every image is shown in so many augmented ways, in turn, and the teacher answers to each of them
            once (Shen & Xing 2022, "A Fast Knowledge Distillation Framework"). 0: in every step, to what is new then.
        precision: auto is bf16 where the processor has instructions for it.
        threads: Of PyTorch on the CPU; the same number gives the same bits. 0 is PyTorch's own choice.
        train_on: trainval, or train: then val is measured after each epoch.
        select: The last weights, or those of the epoch that was best on val.
    """

    name: str
    summary: str
    epochs: Positive
    steps: NotNegative = 0
    batch: Positive
    seed: NotNegative = 0

    optimizer: Literal["sgd", "adamw", "lamb"] = "sgd"
    lr: PositiveFloat
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: NotNegativeFloat = 5e-4
    decay_all: bool = False
    clip_norm: NotNegativeFloat = 0.0
    ema_decay: Fraction = 0.0
    lookahead: NotNegative = 0
    backbone_lr: PositiveFloat = 1.0
    freeze: tuple[str, ...] = ()
    group_sparsity: NotNegativeFloat = 0.0

    schedule: Literal["cosine", "one_cycle", "step", "constant"] = "cosine"
    milestones: tuple[Fraction, ...] = ()
    drop_factor: Fraction = 0.1
    warmup: Fraction = 0.0
    warmup_shape: Literal["linear", "constant"] = "linear"
    warmup_factor: Fraction = 0.1

    label_smoothing: Fraction = 0.0
    mixup: NotNegativeFloat = 0.0
    cutmix: NotNegativeFloat = 0.0
    padding: NotNegative = 0
    padding_mode: Literal["mean", "reflect"] = "mean"
    flip: bool = False
    alternating_flip: bool = False
    cutout: NotNegative = 0
    initial_scale: Fraction = 0.0
    full_scale_at: Fraction = 0.75
    crop_scale: Fraction = 0.08

    stochastic_depth: Fraction | None = None
    temperature: PositiveFloat = 4.0
    teacher_share: Fraction = 0.9
    teacher_views: NotNegative = 0

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    threads: NotNegative = 0

    train_on: Literal["trainval", "train"] = "trainval"
    select: Literal["last", "best"] = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(threads=[self.threads])
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError(f"schedule = {self.schedule!r} and milestones = {self.milestones}: only step has them")
        if self.select == "best" and self.train_on != "train":
            raise ValueError('select = "best" needs train_on = "train", so that val is not trained on')
        if self.nesterov and not self.momentum and self.optimizer == "sgd":
            raise ValueError("nesterov needs a momentum above 0")
        if self.lookahead and self.ema_decay:
            raise ValueError("lookahead and ema_decay are two averages of the weights: only one of them can count")
        if self.alternating_flip and not self.flip:
            raise ValueError("alternating_flip needs flip = true")
        if self.alternating_flip and self.teacher_views % 2:
            raise ValueError(f"alternating_flip needs an even number of teacher_views, not {self.teacher_views}")
        if self.teacher_views and (self.mixup or self.cutmix):
            raise ValueError("teacher_views and mixup or cutmix: what images are mixed into is new in every step")


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name_or_path: StrPath) -> Recipe:
    """One of ours by its name, or a file of the user's."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return read_toml(path, Recipe, f"Compare it with {FOLDER / 'cifar.toml'}.")
    if (name := str(name_or_path)) not in names():
        raise unknown(name, names(), "recipe")
    return read_toml(FOLDER / f"{name}.toml", Recipe, "Install reszoo again.")


def override(recipe: Recipe, changes: Mapping[str, str | Sequence[str]]) -> Recipe:
    """The recipe with fields replaced, given as text: {"epochs": "30", "milestones": "0.5,0.75", "flip": "false"}.

    A field that is a list may be given as a list of texts.
    """
    fields: dict[str, Any] = to_builtins(recipe)
    for name, text in changes.items():
        if name not in fields:
            raise unknown(name, fields, "recipe field")
        is_list = isinstance(fields[name], list | tuple)
        fields[name] = [item for item in text.split(",") if item] if is_list and isinstance(text, str) else text
    try:
        return msgspec.convert(fields, Recipe, strict=False)
    except msgspec.ValidationError as error:
        given = ", ".join(f"{name}={text}" for name, text in changes.items())
        raise UsageError(f"{given}: {error}", f"Give values that fit the recipe {recipe.name}.") from error
