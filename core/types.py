"""The records: everything that passes from one stage to the next. Frozen, typed, and here only.

Units are in the names (`size_bytes`, `latency_s`); accuracies are fractions from 0 to 1.
The records of measuring stand in `measured`; `documents` writes any of these to disk and reads it back.
"""

import hashlib
import os
import reprlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from . import limits, migrations, refs
from .schemas import Schema

StrPath = str | os.PathLike[str]  # what every function takes that is given a path from outside

INT64 = (1 << 63) - 1  # the largest that JSON's readers agree on
Positive = Annotated[int, msgspec.Meta(ge=1, le=INT64)]
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=INT64)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

Family = Literal["v1", "v2", "plain"]
BlockType = Literal["basic", "bottleneck"]
Stem = Literal["cifar", "imagenet"]
Shortcut = Literal["A", "B", "C"]
Skip = Literal[
    "identity",
    "scale",
    "gate",
    "shortcut_gate",
    "dropout",
    "channel_weight",
    "attention",
    "dense",
    "skipinit",
]
Norm = Literal["batch", "group", "layer", "none"]
NormPlace = Literal["", "before", "after", "both"]
Order = Literal["norm-act-conv", "act-norm-conv", "norm-conv"]
Interpolation = Literal["bilinear", "bicubic"]
Activation = Literal["relu", "leaky_relu", "elu", "silu", "gelu", "mish", "hardswish"]
Init = Literal["he", "pytorch"]
Layout = Literal["NCHW", "NHWC", "NC"]
DType = Literal["float32", "float16", "uint8", "int8"]
Precision = Literal["fp32", "fp16", "int8"]
Origin = Literal["measured", "counted", "estimated"]


BRIEF = reprlib.Repr()
BRIEF.maxtuple = BRIEF.maxdict = 3
BRIEF.maxlevel = 2
BRIEF.maxstring = BRIEF.maxother = 40  # characters


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all records: immutable, keyword-only, and strict about the fields it is read from.

    `repr` is one line, in which long values are cut: thousands of samples would hide everything else.
    """

    schema: ClassVar[Schema] = Schema()

    def __repr__(self) -> str:
        fields = (f"{name}={BRIEF.repr(getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(fields)})"


class TensorSpec(Record, frozen=True, kw_only=True):
    """One named input or output. A dimension is a number, or a name where it is dynamic: "batch", or "1..64".

    An int8 value q stands for (q - `zero_point`) * `scale`.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: DType
    layout: Layout
    scale: float | None = None
    zero_point: int | None = None

    def __post_init__(self) -> None:
        least, most = self.batch_limits
        sides = [side for side in self.shape[1:] if isinstance(side, int)]
        numbers = [side for side in self.shape if isinstance(side, int)]
        if not self.shape or min([least, *numbers]) < 1 or (most is not None and most < least):
            raise ValueError(f"no tensor has the shape {' x '.join(map(str, self.shape))}")
        limits.check_numbers("images in a batch", [most or least], limits.BATCH)
        limits.check_elements("a tensor", [least, *sides], limits.TENSOR_ELEMENTS)

    @property
    def batch_limits(self) -> tuple[int, int | None]:
        """The smallest and the largest batch; None where there is no largest."""
        least, _, most = str(self.shape[0] if self.shape else "").partition("..")
        if least.isdecimal() and (most or least).isdecimal():
            return int(least), int(most or least)
        return 1, None


class Preprocess(Record, frozen=True, kw_only=True):
    """From a decoded image to the network's input: resize, centre crop, scale to [0, 1], normalise.

    `resize` is the target of the shorter side in pixels (bicubic or bilinear), `crop` the side of the square cut
    from the centre; both None for data stored at the network's size. `input` is (channels, height, width).
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    input: tuple[Positive, Positive, Positive]
    resize: Positive | None = None
    crop: Positive | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.std) == self.input[0]:
            raise ValueError(
                f"mean has {len(self.mean)} values, std has {len(self.std)}, but the input has {self.input[0]} channels"
            )
        if not all(map(isfinite, (*self.mean, *self.std))):
            raise ValueError("mean and std must be finite numbers")
        if min(self.std) <= 0:
            raise ValueError("every value of std must be above 0")
        limits.check_elements("an image", self.input, limits.IMAGE_ELEMENTS)
        if self.resize is not None:
            limits.check_elements("an image", (self.resize, self.resize), limits.IMAGE_ELEMENTS)
        if self.crop is not None and self.input[1:] != (self.crop, self.crop):
            raise ValueError(f"crop {self.crop} does not give the input size {self.input[1]}x{self.input[2]}")


class ChannelPlan(Record, frozen=True, kw_only=True):
    """What a pruned network keeps of the unpruned one. What is not named is kept whole.

    channels   a channel group (`models.channels` lists them) -> its kept channels, numbered as in the unpruned network
    blocks     a stage ("stages.0") -> its kept blocks, by their numbers
    """

    channels: dict[str, tuple[NotNegative, ...]] = {}
    blocks: dict[str, tuple[NotNegative, ...]] = {}

    def __post_init__(self) -> None:
        for name, kept in (*self.channels.items(), *self.blocks.items()):
            if any(a >= b for a, b in pairwise((-1, *kept))):
                raise ValueError(f"the plan's numbers for {name} are negative, not sorted, or not unique")
        if empty := next((name for name, kept in self.channels.items() if not kept), None):
            raise ValueError(f"the plan keeps no channel of {empty}")


class NetworkSpec(Record, frozen=True, kw_only=True, tag_field="type"):
    """What every network has, whatever its architecture. On disk, `type` says which spec it is: `models.families`.

    input  (channels, height, width)
    """

    num_classes: Positive
    input: tuple[Positive, Positive, Positive]

    def __post_init__(self) -> None:
        limits.check_elements("an image", self.input, limits.IMAGE_ELEMENTS)
        limits.check_numbers("channels or classes", _integers(self))
        limits.check_numbers("blocks", [_blocks(self)], limits.BLOCKS)
        widest = max(_integers([getattr(self, name, 1) for name in WIDTHS]))
        limits.check_elements("an activation", (widest, *self.input[1:]), limits.ACTIVATION_ELEMENTS)


WIDTHS = ("stem_width", "widths", "stages")  # the fields of specs that hold channels of feature maps


def _integers(value: object) -> Iterator[int]:
    """All numbers that a spec counts something by, however deep they lie."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, int):
        yield value
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            yield from _integers(each)


def _blocks(spec: NetworkSpec) -> int:
    stages: tuple[tuple[object, ...], ...] = getattr(spec, "stages", ())
    depths: tuple[int, ...] = getattr(spec, "depths", ())
    return sum(depths) + sum(map(len, stages))


def check_name(field: str, ref: str) -> None:
    """Raises ValueError where no checkpoint can be called that."""
    if problem := refs.problem_of(ref):
        raise ValueError(f"{field} {ref!r} cannot name a checkpoint: {problem}")


def check_stages(depths: tuple[int, ...], widths: tuple[int, ...]) -> None:
    """Raises ValueError unless each stage has one of both."""
    if not depths or len(depths) != len(widths):
        raise ValueError(f"{len(depths)} depths but {len(widths)} widths: give one of each per stage")


class ResNetSpec(NetworkSpec, frozen=True, kw_only=True, tag="resnet"):
    """A residual network, or a plain one.

    family            v1, v2 or plain
    families          the family of each stage, or of each block, where they differ; it stands in the place of `family`.
                      The blocks of one stage are all of v2, or of v1 and plain, which read and give alike
    depths            blocks per stage
    widths            channels per stage: of both 3x3 convolutions (basic), of the 3x3 (bottleneck, output 4x)
    stem_width        channels after the first convolution
    bottleneck_width  multiplies the 3x3's channels in a bottleneck (2 in Wide ResNet-50-2)
    stem              cifar: one 3x3 at stride 1; imagenet: 7x7 at stride 2 and a 3x3 max pool at stride 2
    shortcut          where the shape changes, A: subsample and zero-pad, B: 1x1 projection; C: project in every
                      block (He et al. 2015, section 4.1)
    norm              layer: a layer norm over channels and pixels, which is a group norm of one group
    norm_place        where a branch has its norms: before or after each convolution, or both; "": v1 and plain
                      after, v2 before, as the papers have it
    order             what precedes each convolution of a v2 block (He et al. 2016, figure 4): in act-norm-conv the
                      activation is first, in norm-conv there is none, so that a block's branch is linear
    skip              how the shortcut and the branch are joined; `models.blocks` has the formulas
    gate_bias         where the bias of a gate or a shortcut_gate begins: at -6 the shortcut is nearly an identity
                      (He et al. 2016, section 3.1)
    init              he: variance 2 / fan-out (He et al. 2015, "Delving deep"); pytorch: `nn.Conv2d`'s own
    se_ratio          reduction of a squeeze-and-excitation gate on the branch; 0 for none
    stochastic_depth  probability of dropping the last branch; from 0 for the first one it rises evenly
    plan              what is left of all this after pruning; None: everything
    """

    family: Family
    block_type: BlockType
    depths: tuple[Positive, ...]
    widths: tuple[Positive, ...]
    stem_width: Positive
    stem: Stem
    shortcut: Shortcut
    families: tuple[Family, ...] = ()
    bottleneck_width: Positive = 1
    norm: Norm = "batch"
    norm_place: NormPlace = ""
    order: Order = "norm-act-conv"
    activation: Activation = "relu"
    skip: Skip = "identity"
    gate_bias: float = 0.0
    init: Init = "he"
    se_ratio: NotNegative = 0
    stochastic_depth: Fraction = 0.0
    plan: ChannelPlan | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.depths, self.widths)
        if self.families and len(self.families) not in (len(self.depths), sum(self.depths)):
            raise ValueError(
                f"{len(self.depths)} depths but {len(self.families)} families: give one of each per stage, or a family "
                f"for each of the {sum(self.depths)} blocks"
            )
        for number in range(len(self.depths)):
            if "v2" in self.families_in(number) and len(self.families_in(number)) > 1:
                raise ValueError(
                    f"stage {number} has blocks of v2 and others, which would read a raw signal: give all of its "
                    "blocks v2, or none"
                )
        families = set(self.families or (self.family,))
        if families == {"plain"} and self.skip != "identity":
            raise ValueError(
                f"a plain network has no shortcut for skip = {self.skip!r} to act on: leave it at identity, or give a "
                "stage of v1 or v2"
            )
        if self.gate_bias and self.skip not in ("gate", "shortcut_gate"):
            raise ValueError(
                f"gate_bias = {self.gate_bias:g} is of gates, and skip = {self.skip!r} has none: give skip = gate or "
                "shortcut_gate"
            )
        if "v2" not in families and self.order != "norm-act-conv":
            raise ValueError(
                f"order = {self.order!r} is of v2 blocks, and the network has none: leave it at norm-act-conv, or give "
                "a stage of v2"
            )
        depths = {f"stages.{stage}": depth for stage, depth in enumerate(self.depths)}
        for stage, blocks in (self.plan or ChannelPlan()).blocks.items():
            if stage not in depths:
                raise ValueError(f"the plan names {stage}, but the stages are {', '.join(depths)}")
            if blocks and blocks[-1] >= depths[stage]:
                raise ValueError(f"the plan keeps block {blocks[-1]} of {stage}, which has {depths[stage]} blocks")

    def family_of(self, stage: int, number: int = 0) -> Family:
        """The family of a block of a stage; a negative stage counts from the last."""
        if len(self.families) > len(self.depths):
            return self.families[sum(self.depths[:stage]) + number]
        return self.families[stage] if self.families else self.family

    def families_in(self, stage: int) -> set[Family]:
        """Those of a stage's blocks."""
        return {self.family_of(stage, number) for number in range(self.depths[stage])}

    @property
    def is_mixed(self) -> bool:
        """Whether the blocks of some stage are of several families."""
        return any(len(self.families_in(stage)) > 1 for stage in range(len(self.depths)))


class ForeignSpec(NetworkSpec, frozen=True, kw_only=True, tag="foreign"):
    """A network that another package builds: `builder` is the name of its architecture (`models.Architecture`)."""

    builder: str


class VGGSpec(NetworkSpec, frozen=True, kw_only=True, tag="vgg"):
    """A VGG network with batch norm (Simonyan & Zisserman 2014, table 1).

    depths   3x3 convolutions per stage; a 2x2 max pool ends each
    widths   channels per stage
    dense    widths of the dense layers before the last
    dropout  probability of dropping one of their outputs
    """

    depths: tuple[Positive, ...]
    widths: tuple[Positive, ...] = (64, 128, 256, 512, 512)
    dense: tuple[Positive, ...] = (4096, 4096)
    dropout: Fraction = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.depths, self.widths)


InceptionWidths = tuple[Positive, tuple[Positive, Positive], tuple[Positive, Positive], Positive]


class InceptionSpec(NetworkSpec, frozen=True, kw_only=True, tag="inception"):
    """A network of Inception modules (Szegedy et al. 2014, figure 2b), with batch norm.

    stem_width  channels after the first convolution, a 3x3
    stages      the modules of each stage, which begins with a max pool if it is not the first. A module's widths are
                those of its 1x1, of the 1x1 and the 3x3, of the 1x1 and the 5x5, and of the 1x1 behind the pool
    """

    stem_width: Positive
    stages: tuple[tuple[InceptionWidths, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stages or not all(self.stages):
            raise ValueError("an Inception network needs a stage, and each stage a module")


class DenseNetSpec(NetworkSpec, frozen=True, kw_only=True, tag="densenet"):
    """A densely connected network (Huang et al. 2017, section 3).

    depths       dense layers per stage
    growth       channels that each layer appends
    stem_width   channels after the first convolution, a 3x3
    bottleneck   whether a 1x1 to 4 * growth channels stands before each 3x3
    compression  share of the channels that a transition between stages keeps
    """

    depths: tuple[Positive, ...]
    growth: Positive
    stem_width: Positive
    bottleneck: bool = False
    compression: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.depths:
            raise ValueError("a densely connected network needs a stage: give depths, such as 12,12,12")


class MobileSpec(NetworkSpec, frozen=True, kw_only=True, tag="mobile"):
    """Inverted residuals (Sandler et al. 2018) with pre-activation (He et al. 2016).

    depths      blocks per stage
    widths      channels of each stage's stream
    stem_width  channels after the first convolution, a 3x3
    expansion   how many times more channels a block has inside
    """

    depths: tuple[Positive, ...]
    widths: tuple[Positive, ...]
    stem_width: Positive
    expansion: Positive
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.depths, self.widths)


ModelSpec = (
    ResNetSpec | VGGSpec | InceptionSpec | DenseNetSpec | MobileSpec | ForeignSpec
)  # `models.build` makes the module of any


class Metric(Record, frozen=True, kw_only=True):
    """One figure of a checkpoint, and where it comes from: `published` (by the URL) or `measured` by us."""

    name: Literal["accuracy"]
    value: Fraction
    dataset: str
    split: str
    origin: Literal["published", "measured"]
    source: str
    n: Positive


class ProvenanceStep(Record, frozen=True, kw_only=True):
    """One thing that was done: enough to do it again. `config` holds the options by name, as text."""

    name: str
    config: dict[str, str]
    versions: dict[str, str]
    input_sha256: str


class Checkpoint(Record, frozen=True, kw_only=True):
    """A trained network: its spec, its weights file, and all that is needed to feed it and read its answer."""

    schema: ClassVar[Schema] = migrations.CHECKPOINT

    ref: str
    spec: ModelSpec
    weights_path: Path
    sha256: Sha256
    size_bytes: Positive
    preprocess: Preprocess
    labels: tuple[str, ...]
    dataset: str
    metrics: tuple[Metric, ...]
    licence: str
    provenance: tuple[ProvenanceStep, ...]

    def __post_init__(self) -> None:
        check_name("ref", self.ref)
        if self.preprocess.input[0] != self.spec.input[0]:
            raise ValueError(
                f"preprocess gives {self.preprocess.input[0]} channels, but the network takes {self.spec.input[0]}"
            )
        if len(self.labels) != self.spec.num_classes:
            raise ValueError(f"{len(self.labels)} labels, but the network has {self.spec.num_classes} classes")

    @property
    def identity(self) -> str:
        """The hash of all that decides its answers to an image: weights, spec, preprocessing and labels."""
        decisive = (self.sha256, self.spec, self.preprocess, self.labels)
        return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()


class FileRecord(Record, frozen=True, kw_only=True):
    """One file of an artifact: its name inside the folder, its hash and its length."""

    name: str
    sha256: Sha256
    size_bytes: NotNegative


class ProvenWay(Record, frozen=True, kw_only=True):
    """One way to run an artifact, and how far its logits are from the source's: on `n` images, in these batch sizes.

    `top1_agreement` is the share of images with the source's class, or one that ties with it within fp32's rounding.
    `name` is "run.py", in a process without reszoo, "index.html", in a browser, or a runtime with its variant,
    "openvino:static".
    """

    name: str
    batches: tuple[Positive, ...]
    n: Positive
    max_abs_error: float
    top1_agreement: Fraction


class Parity(Record, frozen=True, kw_only=True):
    """How far an artifact's logits are from its source's, on `n` images of `images`.

    The figures are those of the first of its `ways`, what ships; older records name none.
    `through` names the format of the graph that was run instead, where the artifact could be made but not be run.
    """

    reference: str
    images: str
    n: Positive
    max_abs_error: float
    mean_abs_error: float
    top1_agreement: Fraction
    through: str | None = None
    ways: tuple[ProvenWay, ...] = ()


class Certificate(Record, frozen=True, kw_only=True):
    """All integer layers of a model are safe: none can saturate a kernel's 16-bit sums, in any order of accumulation.

    layers             quantized convolutions and matrix products in all
    unchanged_layers   those that were safe with their weights as they were quantized
    rescaled_channels  output channels of the other layers whose weights got a larger scale, to make them safe
    """

    layers: NotNegative
    unchanged_layers: NotNegative
    rescaled_channels: NotNegative

    def __str__(self) -> str:
        return (
            f"safe: {self.unchanged_layers} of {self.layers} layers unchanged, "
            f"{self.rescaled_channels} channels rescaled"
        )


class Way(Record, frozen=True, kw_only=True):
    """How a figure was got. Figures that were got in different ways are never ranked together.

    measured    by a clock or a meter where it ran, `by` which
    counted     in a file, or `by` a simulator that knows no time
    estimated   `by` a model of the device, which is named with its version and configuration
    """

    kind: Literal["measured", "counted", "estimated"]
    by: str = ""

    def __str__(self) -> str:
        return f"{self.kind} by {self.by}" if self.by else self.kind


class Figure(Record, frozen=True, kw_only=True):
    """What an artifact needs where it is to run, and how that is known."""

    name: str
    value: float
    unit: str
    way: Way


class Candidate(Record, frozen=True, kw_only=True):
    """A model written in one format, which has not been proven to compute what its source does."""

    schema: ClassVar[Schema] = migrations.ARTIFACT

    path: Path
    format: str
    precision: Precision
    input: TensorSpec
    output: TensorSpec
    preprocess: Preprocess
    labels: tuple[str, ...]
    dataset: str
    files: tuple[FileRecord, ...]
    source_ref: str
    provenance: tuple[ProvenanceStep, ...]
    certificate: Certificate | None = None

    def __post_init__(self) -> None:
        check_name("source_ref", self.source_ref)
        channels, height, width = self.preprocess.input
        fed = {"NCHW": (channels, height, width), "NHWC": (height, width, channels)}.get(self.input.layout)
        if self.input.shape[1:] != fed:
            raise ValueError(
                f"the input has shape {self.input.shape} in {self.input.layout}, but preprocess gives images of "
                f"{channels} x {height} x {width}"
            )
        if self.output.shape[1:] != (len(self.labels),):
            raise ValueError(f"the output has shape {self.output.shape}, but there are {len(self.labels)} labels")

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def sha256(self) -> str:
        """One hash for all files: of their hashes, in the manifest's order."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    @property
    def weights_sha256(self) -> str:
        """Of the checkpoint that was exported, whatever was done to the file after that."""
        return self.made[0].input_sha256

    @property
    def made(self) -> tuple[ProvenanceStep, ...]:
        """The steps from the checkpoint on: its export, and what was done to the file after that."""
        exported = max(number for number, step in enumerate(self.provenance) if step.name == "export")
        return self.provenance[exported:]


class Artifact(Candidate, frozen=True, kw_only=True):
    """A proven model in one deployable format: a folder with its files and its manifest, `artifact.json`.

    `figures` are of devices that are not here, where its format knows any.
    `extras` are what stands beside the model for people. They may change it: only `files` have to be as written.
    """

    parity: Parity
    figures: tuple[Figure, ...] = ()
    extras: tuple[FileRecord, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if all(step.name != "export" for step in self.provenance):
            raise ValueError("the provenance has no step `export`")


class Unavailable(Record, frozen=True, kw_only=True):
    """Something that cannot be done here: a value that tables show, never a silent skip.

    `package` is what is not installed; "" where the reason is another one.
    """

    what: str
    reason: str
    fix: str
    package: str = ""
