"""Inverted residuals with pre-activation: the blocks of Sandler et al. 2018 in the order of He et al. 2016.

A branch widens a narrow signal with a 1x1 convolution, filters each channel by itself with a depthwise 3x3, and
narrows it again with a 1x1. Activations act on the wide signal alone: on the narrow one they would lose information
(Sandler et al. 2018, section 3.2). So in front of the first 1x1 stands a norm without an activation, which a
compiler can fold into the convolution behind it.
"""

from torch import Tensor, nn

from ..core.types import MobileSpec
from .blocks import ACTIVATIONS
from .initialising import initialise_he


class InvertedResidual(nn.Module):
    """norm, 1x1, norm, act, depthwise 3x3, norm, act, 1x1, and the raw input added where the shape is kept.

    Shapes: (N, source, H, W) -> (N, target, H / stride, W / stride).
    """

    def __init__(self, spec: MobileSpec, source: int, target: int, stride: int) -> None:
        super().__init__()
        wide = source * spec.expansion
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (source, wide, wide))
        self.convs = nn.ModuleList(
            (
                nn.Conv2d(source, wide, 1, bias=False),
                nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False),
                nn.Conv2d(wide, target, 1, bias=False),
            )
        )
        self.act = ACTIVATIONS[spec.activation]()
        self.has_shortcut = stride == 1 and source == target

    def forward(self, x: Tensor) -> Tensor:
        conv1, conv2, conv3 = self.convs
        norm1, norm2, norm3 = self.norms
        h = conv1(norm1(x))
        h = conv2(self.act(norm2(h)))
        h = conv3(self.act(norm3(h)))
        return x + h if self.has_shortcut else h


class MobileNet(nn.Module):
    """Stem, stages of inverted residuals, norm and activation, global average pool, linear classifier.

    The first block of every stage but the first halves the resolution.

    Shapes: (N, C, H, W) -> (N, num_classes), the logits.
    """

    def __init__(self, spec: MobileSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = nn.Conv2d(spec.input[0], spec.stem_width, 3, padding=1, bias=False)
        self.stages, source = nn.Sequential(), spec.stem_width
        for number, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True)):
            stage = nn.Sequential()
            for position in range(depth):
                stride = 2 if number > 0 and position == 0 else 1
                stage.append(InvertedResidual(spec, source, width, stride))
                source = width
            self.stages.append(stage)
        self.final = nn.Sequential(nn.BatchNorm2d(source), ACTIVATIONS[spec.activation]())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(source, spec.num_classes)
        self.apply(initialise_he)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(self.pool(self.final(self.stages(self.stem(x))))))
