"""What `reszoo doctor ARTIFACT` prints: where the time goes, why, and whether the integers are right."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.markup import escape

from . import output
from .sections import BAD, GOOD, WARN, aside, section

if TYPE_CHECKING:
    from ..core.types import Certificate
    from ..workflows.quantization.hints import Hint
    from ..workflows.quantization.profile import ArtifactProfile, IntegerCheck


def print_profile(profile: "ArtifactProfile") -> None:
    _kernels(profile)
    hints = [row for each in profile.hints for row in _hint(each)]
    section("Why it is not faster", hints or [(GOOD, "", "this runtime's profile shows no reason")])
    if profile.check:
        section(f"Integer arithmetic of {profile.check.runtime} on this CPU", _check(profile.check))


def _kernels(profile: "ArtifactProfile") -> None:
    """A heading, and a table of the time by operator and precision."""
    from ..bench.rounding import milliseconds
    from ..workflows.quantization.kernels import by_operator, total_s

    output.console().print(
        f"{profile.source_ref}, {profile.format} {profile.precision}, "
        f"on {profile.runtime} with --threads {profile.threads} --batch {profile.batch}:",
        f"{milliseconds(total_s(profile.kernels))} ms in {len(profile.kernels)} kernels",
        markup=False,
    )
    table = output.table("operator", "precision", "share", "ms", "kernels", right=("share", "ms", "kernels"))
    for group in by_operator(profile.kernels):
        seconds = milliseconds(group.seconds)
        table.add_row(group.operator, group.precision, f"{group.share:.1%}", seconds, str(group.kernels))
    output.console().print(table)


def _hint(hint: "Hint") -> Iterator[tuple[str, str, str]]:
    yield WARN, "" if hint.share is None else f"{hint.share:.1%}", escape(hint.detail)
    yield "", "", aside(hint.advice)


def _check(check: "IntegerCheck") -> Iterator[tuple[str, str]]:
    compared = f"{check.layers} layers, {check.elements:,} results on {check.images} images"
    rounding = f"{check.rounding:,} rounded to the other side of a tie"
    if not check.wrong:
        yield GOOD, f"{compared}: all are exact, {rounding}"
    else:
        yield BAD, f"{compared}: {sum(layer.wrong for layer in check.wrong):,} are wrong, {rounding}"
    for layer in check.wrong:
        detail = f"{layer.layer}: {layer.wrong:,} of {layer.elements:,} are wrong, by up to {layer.largest:.3g} steps"
        yield "", escape(detail)
    yield _certificate(check.certificate)


def _certificate(certificate: "Certificate | None") -> tuple[str, str]:
    if certificate is None:
        return WARN, "not certified: on an x86 CPU without VNNI, its sums may saturate at 16 bits"
    return GOOD, f"certified for any CPU, {certificate}"
