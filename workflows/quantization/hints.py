"""Why an artifact is not faster: hints from its kernels, of a closed set, each with its share of the time."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from ...bench.host_check import int8_of
from ...core.measured import Host, Kernel
from ...core.types import Artifact, Record
from .kernels import total_s

HintKind = Literal[
    "not_quantized",
    "float_layers",
    "float_additions",
    "unfused",
    "layout",
    "signed_activations",
    "odd_channels",
    "other_provider",
    "no_vnni",
    "small",
]

ADVICE: dict[HintKind, str] = {
    "not_quantized": "Quantize the checkpoint that it was made from: reszoo quantize REF.",
    "float_layers": "They were kept in float (`keep_float`, `max_drop`), are placed for TensorRT (`activations=s8`), "
    "or have no integer kernel in this runtime.",
    "float_additions": "Quantize both inputs and the result of each addition, as `activations=u8` does.",
    "unfused": "Each rewrites a whole tensor: quantize what lies between two of them too, as `activations=u8` does.",
    "layout": "Kernels of another kind want another order: keep no layer in float between integer ones, or try "
    "another `runtime`.",
    "signed_activations": "Quantize it with `activations=u8`: that is placed for CPUs, s8 for TensorRT.",
    "odd_channels": "Choose a network whose widths are multiples of that: the rest of a register is computed in vain.",
    "other_provider": "Ask for the provider that computes them: every change from one to another copies tensors.",
    "no_vnni": "Compare it with float before you deploy it (reszoo compare), or take a CPU that has it.",
    "small": "Use `threads=1`, or a larger `batch`: handing work to other threads takes longer than it saves.",
}

# Operators as the runtimes name them: FusedConv, QLinearConv, Convolution, but not Convert.
PRODUCT = re.compile(r"Conv(?!ert)|Gemm|MatMul|FullyConnected")
ADDITION = re.compile(r"Add$")
CONVERSION = re.compile(r"[Qq]uantizeLinear|FakeQuantize")
LAYOUT = re.compile(r"Reorder|Transpose")

X86 = ("x86_64", "AMD64")
# The extensions of which int8 needs one to be worth it.
DOT_PRODUCTS = ("VNNI", "dotprod")
# Nobody's reason to be slow.
LEAST_SHARE = 0.01
# Waking a thread and waiting for it takes microseconds. A kernel that is not much longer has nothing to share out.
SHORT_S = 30e-6
NAMED = 3

Observation = tuple[HintKind, str, Sequence[Kernel] | None]


class Hint(Record, frozen=True, kw_only=True):
    """One reason, with what was seen and what to do. `share` is of the kernels' time; None where time does not tell."""

    kind: HintKind
    share: float | None
    detail: str
    advice: str


def hints(
    artifact: Artifact,
    kernels: Sequence[Kernel],
    host: Host,
    threads: int,
    channels: Mapping[str, int],
    signed: Collection[str] = (),
) -> tuple[Hint, ...]:
    """Every reason that shows, the one with the largest share first; () where none does.

    `kernels` are those of one run, in their order, on `threads` threads of `host`. `channels` are the output channels
    that each integer convolution computes at once, by its name; {} where they are not known. `signed` are the integer
    layers with signed activations, where the runtime's kernels for x86 want unsigned ones.
    """
    total = total_s(kernels)
    own = _integer(kernels, host, channels, signed) if artifact.precision == "int8" else _float(artifact, kernels)
    found = []
    for kind, detail, at in (*own, *_either(kernels, threads)):
        share = None if at is None else total_s(at) / total
        if share is None or share >= LEAST_SHARE:
            found.append(Hint(kind=kind, share=share, detail=detail, advice=ADVICE[kind]))
    return tuple(sorted(found, key=lambda hint: -(hint.share or 0)))


def _float(artifact: Artifact, kernels: Sequence[Kernel]) -> Iterator[Observation]:
    layers = _of(PRODUCT, kernels)
    yield "not_quantized", f"all {len(layers)} convolutions and matrix products are {artifact.precision}", layers


def _integer(
    kernels: Sequence[Kernel], host: Host, channels: Mapping[str, int], signed: Collection[str]
) -> Iterator[Observation]:
    layers = _of(PRODUCT, kernels)
    floats = _not_int8(layers)
    detail = f"{len(floats)} of {len(layers)} convolutions and matrix products are computed in float"
    yield "float_layers", f"{detail}: {_longest(floats)}", floats
    # what is added before the first layer belongs to the images' normalisation
    additions = _of(ADDITION, kernels[kernels.index(layers[0]) :] if layers else ())
    floats = _not_int8(additions)
    yield "float_additions", f"{len(floats)} of {len(additions)} residual additions are computed in float", floats
    conversions = _of(CONVERSION, kernels)
    unfused = conversions[1:]  # the first is of the images
    detail = f"{len(unfused)} of {len(conversions)} conversions between float and integers did not fuse"
    yield "unfused", detail, unfused
    if signed and host.machine in X86:
        at = [kernel for kernel in kernels if kernel.name in signed]
        detail = (
            f"{len(signed)} integer layers have signed activations (s8), but x86 multiplies unsigned by signed ones"
        )
        yield "signed_activations", detail, at or None
    yield from _odd_channels(kernels, _lanes(host), channels)
    for extension in int8_of(host):
        if extension.name in DOT_PRODUCTS and not extension.present:
            yield "no_vnni", f"this CPU has no {extension.name}: {extension.meaning}", None


def _odd_channels(kernels: Sequence[Kernel], lanes: int, channels: Mapping[str, int]) -> Iterator[Observation]:
    odd = {name: count for name, count in channels.items() if count % lanes}
    if odd:
        at = [kernel for kernel in kernels if kernel.name in odd]
        counts = ", ".join(map(str, sorted(set(odd.values()))))
        detail = f"{len(odd)} of {len(channels)} integer convolutions compute {counts} channels, no multiple of {lanes}"
        yield "odd_channels", detail, at or None  # some runtimes have names of their own


def _either(kernels: Sequence[Kernel], threads: int) -> Iterator[Observation]:
    moves = _of(LAYOUT, kernels)
    yield "layout", f"{len(moves)} of {len(kernels)} kernels only bring tensors into another order", moves
    elsewhere = [kernel for kernel in kernels if kernel.fell_back_to]
    providers = ", ".join(sorted({kernel.fell_back_to for kernel in elsewhere if kernel.fell_back_to}))
    yield "other_provider", f"{len(elsewhere)} of {len(kernels)} kernels ran on {providers} instead", elsewhere
    short = [kernel for kernel in kernels if kernel.seconds < SHORT_S]
    if threads > 1 and total_s(short) > total_s(kernels) / 2:
        detail = f"{len(short)} of {len(kernels)} kernels take less than {1e6 * SHORT_S:.0f} µs, on {threads} threads"
        yield "small", detail, short


def _lanes(host: Host) -> int:
    """32-bit sums in a vector register, one for each output channel: so many channels are computed at once."""
    if "avx512f" in host.instruction_sets:
        return 16
    return 4 if host.machine in ("aarch64", "arm64") else 8


def _of(operator: re.Pattern[str], kernels: Sequence[Kernel]) -> list[Kernel]:
    return [kernel for kernel in kernels if operator.search(kernel.operator)]


def _not_int8(kernels: Sequence[Kernel]) -> list[Kernel]:
    return [kernel for kernel in kernels if kernel.precision != "int8"]


def _longest(kernels: Sequence[Kernel]) -> str:
    """The names of those that take longest: "conv1, conv2, conv3 and 4 more"."""
    names = [kernel.name for kernel in sorted(kernels, key=lambda kernel: -kernel.seconds)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
