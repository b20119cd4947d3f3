"""Networks as others build them, small: the same names, the same order of layers, written anew for the tests."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(source: int, target: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=False)


class Padding(nn.Module):
    """akamaster's option A."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.before))


class Block(nn.Module):
    """A v1 block of two or three convolutions, whose projection is called `shortcut` or `downsample`."""

    def __init__(self, source: int, width: int, stride: int, *, is_deep: bool, projection: str) -> None:
        super().__init__()
        target = width * (4 if is_deep else 1)
        shapes = [(1, 1), (3, stride), (1, 1)] if is_deep else [(3, stride), (3, 1)]
        widths = [source, width, width, target] if is_deep else [source, width, width]
        self.n, self.projection = len(shapes), projection or "shortcut"
        for i, (kernel, step) in enumerate(shapes):
            self.add_module(f"conv{i + 1}", conv(widths[i], widths[i + 1], kernel, step))
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        changes = stride != 1 or source != target
        skip: nn.Module = nn.Sequential()
        if changes and projection:
            skip = nn.Sequential(conv(source, target, 1, stride), nn.BatchNorm2d(target))
        elif changes:
            skip = Padding((target - source) // 2)
        self.add_module(self.projection, skip)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for i in range(1, self.n + 1):
            h = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(h))
            h = F.relu(h) if i < self.n else h
        return F.relu(h + getattr(self, self.projection)(x))


class V1(nn.Module):
    """akamaster's, kuangliu's, chenyaofo's and bearpaw's CIFAR networks, which differ in widths and in two names."""

    def __init__(
        self,
        depths: Sequence[int],
        width: int,
        *,
        projection: str,
        head: str,
        is_deep: bool = False,
        classes: int = 10,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.head, self.n = head, len(depths)
        self.conv1, self.bn1 = conv(channels, width, 3), nn.BatchNorm2d(width)
        source = width
        for stage, depth in enumerate(depths):
            blocks = []
            for number in range(depth):
                stride = 2 if stage and not number else 1
                blocks.append(Block(source, width << stage, stride, is_deep=is_deep, projection=projection))
                source = (width << stage) * (4 if is_deep else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.add_module(head, nn.Linear(source, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.n):
            x = getattr(self, f"layer{stage + 1}")(x)
        logits: Tensor = getattr(self, self.head)(x.mean((2, 3)))
        return logits


class PreBlock(nn.Module):
    """A v2 block: its projection, if it has one, reads the raw signal (bearpaw) or the activated one (the others)."""

    def __init__(self, source: int, width: int, stride: int, *, skip: str, is_raw: bool = False) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(source), conv(source, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv(width, width, 3)
        self.skip, self.is_raw, self.changes = skip, is_raw, stride != 1 or source != width
        if self.changes:
            projection = conv(source, width, 1, stride)
            self.add_module(skip, projection if skip == "convShortcut" else nn.Sequential(projection))

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))
        s = getattr(self, self.skip)(x if self.is_raw else a) if self.changes else x
        h: Tensor = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return h + s


class Group(nn.Module):
    """xternalz's and bearpaw's wide networks keep the blocks of a stage under `layer`."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y


class WideResNet(nn.Module):
    def __init__(self, depth: int, widen: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1, source = conv(3, 16, 3), 16
        for stage in range(3):
            width, blocks = (16 << stage) * widen, []
            for number in range((depth - 4) // 6):
                blocks.append(PreBlock(source, width, 2 if stage and not number else 1, skip="convShortcut"))
                source = width
            self.add_module(f"block{stage + 1}", Group(blocks))
        self.bn1, self.fc = nn.BatchNorm2d(source), nn.Linear(source, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in range(3):
            x = getattr(self, f"block{stage + 1}")(x)
        logits: Tensor = self.fc(F.relu(self.bn1(x)).mean((2, 3)))
        return logits


class PreActivated(nn.Module):
    """bearpaw's PreResNet, which ends with `bn` and `fc`, and kuangliu's PreActResNet, with `linear` and no norm.

    Networks that descend from kuangliu's end with `bn` and `linear`.
    """

    def __init__(
        self,
        depths: Sequence[int],
        width: int,
        *,
        is_bearpaw: bool = False,
        is_raw: bool | None = None,
        has_norm: bool | None = None,
    ) -> None:
        super().__init__()
        self.conv1, source, self.n, self.is_bearpaw = conv(3, width, 3), width, len(depths), is_bearpaw
        self.has_norm = is_bearpaw if has_norm is None else has_norm
        is_raw = is_bearpaw if is_raw is None else is_raw
        for stage, depth in enumerate(depths):
            blocks = []
            for number in range(depth):
                stride, skip = 2 if stage and not number else 1, "downsample" if is_bearpaw else "shortcut"
                blocks.append(PreBlock(source, width << stage, stride, skip=skip, is_raw=is_raw))
                source = width << stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        if self.has_norm:
            self.bn = nn.BatchNorm2d(source)
        self.add_module("fc" if is_bearpaw else "linear", nn.Linear(source, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in range(self.n):
            x = getattr(self, f"layer{stage + 1}")(x)
        x = F.relu(self.bn(x)).mean((2, 3)) if self.has_norm else x.mean((2, 3))
        logits: Tensor = self.fc(x) if self.is_bearpaw else self.linear(x)
        return logits


class Convolution(nn.Module):
    """A convolution and its norm, as Hugging Face's transformers name them."""

    def __init__(self, source: int, target: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution, self.normalization = conv(source, target, kernel, stride), nn.BatchNorm2d(target)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.normalization(self.convolution(x))
        return y


class Layer(nn.Module):
    """A bottleneck of transformers, which has its stride in the 3x3 convolution."""

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        self.shortcut = Convolution(source, 4 * width, 1, stride)
        parts = (Convolution(source, width, 1), Convolution(width, width, 3, stride), Convolution(width, 4 * width, 1))
        self.layer = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.layer
        return F.relu(third(F.relu(second(F.relu(first(x))))) + self.shortcut(x))


class Transformers(nn.Module):
    """ResNetForImageClassification of transformers, with one bottleneck in each stage."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        stages = [
            nn.ModuleDict({"layers": nn.Sequential(Layer(source, width, stride))})
            for source, width, stride in ((64, 64, 1), (256, 128, 2), (512, 256, 2), (1024, 512, 2))
        ]
        embedder, encoder = nn.ModuleDict({"embedder": Convolution(3, 64, 7, 2)}), nn.ModuleDict()
        encoder["stages"] = nn.ModuleList(stages)
        self.resnet = nn.ModuleDict({"embedder": embedder, "encoder": encoder})
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(2048, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.resnet.get_submodule("embedder.embedder")(x)), 3, 2, 1)
        for stage in range(4):
            x = self.resnet.get_submodule(f"encoder.stages.{stage}.layers")(x)
        y: Tensor = self.classifier(x.mean((2, 3)))
        return y


def logits(model: nn.Module, side: int, channels: int = 3) -> Tensor:
    images = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found: Tensor = model.eval()(images)
    return found
