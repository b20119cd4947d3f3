"""The sets of kernels: one file each, for one kind of processor."""

from typing import NamedTuple


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


X86 = "defined(__x86_64__) && defined(__GNUC__)"
ARM64 = "defined(__aarch64__) && defined(__GNUC__)"
AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni")
# The fastest first, as they are tried where a program does not choose; the last one runs everywhere.
SETS = (
    KernelSet("avx512vnni", X86, " && ".join(f'__builtin_cpu_supports("{name}")' for name in AVX512)),
    KernelSet("avx2", X86, '__builtin_cpu_supports("avx2")'),
    KernelSet("neon-dotprod", ARM64, "has_dot_product()"),
    KernelSet("neon", ARM64, "1"),
    KernelSet("cortex-m", "defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__GNUC__)", "1"),
    KernelSet("portable", "1", "1"),
)
NAMES = tuple(each.name for each in SETS)
NEEDS_CERTIFICATE = ("avx2",)  # it adds products in 16 bits
