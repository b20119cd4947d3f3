"""Designs: networks that are trained alike and compared, and the controls that every such comparison needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Region,
    Scale,
    Settings,
    Where,
    above,
    below,
    within,
)
from .trials import FLOOR, Probe, Trial, trial

# The suffix of the networks' names. On a CPU they have half of the paper's channels: some epochs with enough seeds
# decide more than fewer epochs of the whole.
WIDTHS: dict[Scale, str] = {"smoke": "", "cpu": "+widths=8,16,32+stem_width=8", "gpu": ""}
# What studies vary, unless they are about depth or whole architectures.
BASE: dict[Scale, str] = {"smoke": "resnet8_v2", "cpu": f"resnet20_v2{WIDTHS['cpu']}", "gpu": "resnet56_v2"}
EPOCHS: dict[str, dict[Scale, float]] = {
    "digits": {"smoke": 1, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 2, "gpu": 40},
}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 5}
SMOKE = {"batch": "32"}  # so that an epoch of digits has some steps

Changes = Callable[[Condition, Settings], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which networks a study trains, and how.

    networks  the conditions; the first is the reference, which is trained as the controls are as well
    arch      the architecture of a condition
    epochs    by data and scale
    changes   the fields of the recipe that differ in a condition
    is_equal  whether all get the reference's budget of multiply-accumulates, in the place of as many epochs
    controls  the `trials.TRAININGS` of the reference besides the usual one
    """

    networks: Callable[[Settings], Sequence[Condition]]
    arch: Callable[[Condition, Settings], str]
    epochs: Mapping[str, Mapping[Scale, float]]
    changes: Changes = lambda condition, settings: {}
    is_equal: bool = False
    controls: tuple[str, ...] = ("coarse", "reseeded")

    def conditions(self, settings: Settings) -> list[Condition]:
        """All networks, trained as usual, and the reference as the controls are."""
        networks = self.networks(settings)
        controls = [networks[0] | {"training": training} for training in self.controls]
        return [*({**network, "training": "usual"} for network in networks), *controls]

    def measure(self, condition: Condition, seed: int, settings: Settings) -> Measured:
        return self.trial(condition, seed, settings).measured()

    def trial(
        self, condition: Condition, seed: int, settings: Settings, probe: Probe | None = None, out: Path | None = None
    ) -> Trial:
        return trial(
            self.arch(condition, settings),
            settings,
            seed,
            self.epochs[settings.data][settings.scale],
            (SMOKE if settings.scale == "smoke" else {}) | dict(self.changes(condition, settings)),
            training=str(condition["training"]),
            budget_of=self.arch(self.networks(settings)[0], settings) if self.is_equal else "",
            probe=probe,
            out=out,
        )


def compared(
    metric: str, where: Mapping[str, str | int | tuple[str | int, ...]], against: Condition, region: Region
) -> Contrast:
    """An accuracy, in points over that of another network of the same seed. Pairs that learnt nothing say nothing."""
    usual: Where = {**where, "training": "usual"}
    return Contrast(metric=metric, where=usual, against=against, region=region, floor=FLOOR)


def controls(claims: Sequence[Claim]) -> tuple[Control, ...]:
    """That what claims compare is seen where it is there, and not where it is not: as small as the smallest effect."""
    compared = [claim.contrast for claim in claims if claim.contrast.floor is not None]
    margin = min(abs(end) for contrast in compared for end in (contrast.region.low, contrast.region.high) if end)
    metrics = dict.fromkeys(contrast.metric for contrast in compared)
    return tuple(control for metric in metrics for control in _controls_of(metric, margin))


def failures() -> tuple[Control, ...]:
    """The same of the share of trainings that fail; a design needs the training `diverging` for them."""

    def failing(training: str, region: Region) -> Contrast:
        return Contrast(metric="failed", where={"training": training}, region=region, is_share=True)

    return (
        Control(
            key="diverging",
            kind="positive",
            says="a learning rate of 1e30 makes trainings fail",
            contrast=failing("diverging", above(0.2)),
        ),
        Control(
            key="reseeded-failed",
            kind="negative",
            says="the reference is trained without failing",
            contrast=failing("reseeded", below(0.8)),
        ),
    )


def curves(lines: tuple[str, ...], where: Where | None = None) -> tuple[Figure, ...]:
    """Training and validation curves, a line for each combination of these."""
    titles = {"train_curve": "Training accuracy", "val_curve": "Validation accuracy"}
    return tuple(
        Figure(
            name=name.replace("_", "-"),
            title=title,
            y=name,
            x="budget",
            where={"training": "usual", **(where or {})},
            lines=lines,
            x_title="share of the training",
        )
        for name, title in titles.items()
    )


def _controls_of(metric: str, margin: float) -> tuple[Control, Control]:
    def against_usual(training: str, region: Region) -> Contrast:
        return Contrast(
            metric=metric, where={"training": training}, against={"training": "usual"}, region=region, floor=FLOOR
        )

    return (
        Control(
            key=f"coarse-{metric}",
            kind="positive",
            says="the same network is worse after fewer and larger steps with as many images",
            contrast=against_usual("coarse", below(-margin)),
        ),
        Control(
            key=f"reseeded-{metric}",
            kind="negative",
            says="networks of other seeds, trained in the same way, are as good",
            contrast=against_usual("reseeded", within(margin)),
        ),
    )
