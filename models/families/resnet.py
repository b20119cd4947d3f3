"""Residual networks v1 and v2, and plain ones: `models.resnet` builds them."""

from math import prod
from typing import TYPE_CHECKING

from msgspec.structs import fields, replace

from ...core.types import ChannelPlan, ModelSpec, ResNetSpec, Unavailable
from .. import channels, latency
from ..costs import Cost, LayerCost, kind_of
from ..family import Family, Pruning, Shape
from ..shapes import LayerShapes, layer_shapes, state_shapes

if TYPE_CHECKING:
    from torch import nn

# what a network has besides, shown where it is not the default
OTHERS = ("bottleneck_width", "norm_place", "order", "gate_bias", "init", "se_ratio", "stochastic_depth")
FAMILIES = {"v1": "v1 (post-activation)", "v2": "v2 (pre-activation)", "plain": "plain"}


# Integer kernels on CPUs and microcontrollers: ReLU, channels in multiples of 8, before and after pruning by 8. It
# projects where the shape changes: every engine has 1x1 convolutions, and does them well.
EDGE = ResNetSpec(
    family="v2",
    block_type="basic",
    depths=(2, 2, 2),
    widths=(24, 48, 96),
    stem_width=24,
    stem="cifar",
    shortcut="B",
    num_classes=10,
    input=(3, 32, 32),
)
# Matrix units with fixed shapes: channels in multiples of 32, neither gates nor depthwise convolutions.
NPU = replace(EDGE, depths=(3, 3, 3), widths=(32, 64, 128), stem_width=32)
# GPUs: wide, with gates that cost little there, and stochastic depth while it is trained.
CLOUD = replace(EDGE, depths=(4, 4, 4), widths=(128, 256, 512), stem_width=32, se_ratio=16, stochastic_depth=0.1)
NAMED: dict[str, ModelSpec] = {"resnet_edge_v2": EDGE, "resnet_npu_v2": NPU, "resnet_cloud_v2": CLOUD}


class ResNets(Family[ResNetSpec]):
    """Shapes and costs follow from the spec alone; every network has a plan whose stages have one family each."""

    name = "resnet"
    title = "residual networks"
    named = NAMED

    def build(self, spec: ResNetSpec) -> "nn.Module":
        from ..resnet import ResNet

        return ResNet(spec)

    def block(self, model: "nn.Module") -> "nn.Module":
        """The first with an identity for its shortcut, else the first."""
        from torch import nn

        from ..residual import Block

        blocks = [module for module in model.modules() if isinstance(module, Block)]
        return next((b for b in blocks if isinstance(getattr(b, "shortcut", None), nn.Identity)), blocks[0])

    def summary(self, spec: ResNetSpec) -> str:
        return f"A residual network ({'/'.join(spec.families) or spec.family}, {_depths(spec)} blocks)"

    def description(self, spec: ResNetSpec) -> dict[str, str]:
        blocks = f"{_depths(spec)}, {'/'.join(map(str, spec.widths))} channels"
        own = {field.name: field.default for field in fields(ResNetSpec)}
        others = [name for name in OTHERS if getattr(spec, name) != own[name]]
        variants = {name: getattr(spec, name) for name in ("skip", "norm", "activation", *others)}
        return {
            "family": ", ".join(spec.families) if spec.families else FAMILIES[spec.family],
            "blocks": f"{blocks}, before pruning" if spec.plan else blocks,
            **(_pruned(spec, spec.plan) if spec.plan else {}),
            "stem, shortcut": f"{spec.stem}, option {spec.shortcut}",
            "variants": ", ".join(f"{key} {value}" for key, value in variants.items()),
        }

    def cost(self, spec: ResNetSpec) -> Cost:
        layers = tuple(map(_cost, layer_shapes(spec)))
        learnt = (shape for name, shape in state_shapes(spec).items() if name.endswith((".weight", ".bias")))
        return Cost(params=sum(map(prod, learnt)), macs=sum(layer.macs for layer in layers), layers=layers)

    def state_shapes(self, spec: ResNetSpec) -> dict[str, Shape]:
        return state_shapes(spec)

    def with_stochastic_depth(self, spec: ResNetSpec, probability: float) -> ResNetSpec:
        return replace(spec, stochastic_depth=probability)

    def pruning(self, spec: ResNetSpec) -> Pruning[ResNetSpec] | Unavailable:
        if spec.is_mixed:
            reason = "blocks of one stage are of several families, which no plan knows"
            return Unavailable(what="pruning", reason=reason, fix="Choose a network whose stages have one family each.")
        return PRUNING


def _plan_of(spec: ResNetSpec) -> ChannelPlan:
    return spec.plan or ChannelPlan()


def _with_plan(spec: ResNetSpec, plan: ChannelPlan) -> ResNetSpec:
    return replace(spec, plan=plan)


def _depths(spec: ResNetSpec) -> str:
    return f"{'+'.join(map(str, spec.depths))} {spec.block_type}"


def _pruned(spec: ResNetSpec, plan: ChannelPlan) -> dict[str, str]:
    """What the plan leaves of each stage."""
    facts, stages = {}, channels.by_stage(channels.layout(spec), channels.layout(replace(spec, plan=None)))
    for stage, (blocks, outputs, inner) in enumerate(stages):
        kept = plan.blocks.get(f"stages.{stage}")
        which = "" if kept is None else f" ({' '.join(map(str, kept))} of {spec.depths[stage]})"
        remaining = f"{blocks} blocks{which}, {outputs} channels, {inner} inside"
        facts[f"stage {stage}, pruned"] = remaining if int(blocks) else f"none of {spec.depths[stage]} blocks"
    return facts


def _cost(layer: LayerShapes) -> LayerCost:
    places = prod(layer.output[1:])
    return LayerCost(
        name=layer.name,
        kind=kind_of(layer.weight[2:], layer.stride),
        output=layer.output,
        params=layer.params,
        macs=prod(layer.weight) * places,
    )


PRUNING = Pruning(
    plan_of=_plan_of,
    with_plan=_with_plan,
    layout=channels.layout,
    layers=channels.layers,
    fixed_channels=channels.fixed_channels,
    parts=latency.parts,
    latency_signature=latency.latency_signature,
    probe_sets=latency.probe_sets,
)
FAMILY = ResNets()
