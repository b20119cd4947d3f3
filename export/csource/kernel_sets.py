"""The sets of kernels: one file each, for one kind of processor."""

from typing import NamedTuple

from ...core.types import Precision


class KernelSet(NamedTuple):
    """`guard` says in C where it can be compiled, `test` whether the processor that runs has it."""

    name: str
    guard: str
    test: str

    @property
    def file(self) -> str:
        return f"kernels_{self.identifier}.c"

    @property
    def identifier(self) -> str:
        return self.name.replace("-", "_")

    @property
    def macro(self) -> str:
        return f"MODEL_{self.identifier.upper()}"


def _supports(*features: str) -> str:
    return " && ".join(f'__builtin_cpu_supports("{name}")' for name in features)


X86 = "defined(__x86_64__) && defined(__GNUC__)"
ARM64 = "defined(__aarch64__) && defined(__GNUC__)"
AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni")
PORTABLE = KernelSet("portable", "1", "1")
# By precision, the fastest first, as they are tried where a program does not choose; the last one runs everywhere.
SETS: dict[Precision, tuple[KernelSet, ...]] = {
    "int8": (
        KernelSet("avx512vnni", X86, _supports(*AVX512)),
        KernelSet("avx2", X86, _supports("avx2")),
        KernelSet("neon-dotprod", ARM64, "has_dot_product()"),
        KernelSet("neon", ARM64, "1"),
        KernelSet("cortex-m", "defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__GNUC__)", "1"),
        PORTABLE,
    ),
    "fp32": (
        KernelSet("avx512", X86, _supports("avx512f")),
        KernelSet("avx2", X86, _supports("avx2", "fma")),
        KernelSet("neon", ARM64, "1"),
        PORTABLE,
    ),
}
NAMES = tuple(dict.fromkeys(each.name for sets in SETS.values() for each in sets))
NEEDS_CERTIFICATE = ("avx2",)  # of bytes: it adds products in 16 bits
