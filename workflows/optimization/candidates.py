"""Everything that can be chosen: networks x pruning plans x formats, precisions and schemes x runtimes x threads."""

from collections.abc import Iterator, Sequence

from ...bench.target import Target
from ...core.errors import UnavailableError
from ...core.registry import choose
from ...core.types import Checkpoint, Precision, ResNetSpec
from ...export.contract.format import Format, GraphFormat, formats
from ...export.contract.options import ExportOptions
from ...export.contract.runtime import Engine, parse_engine
from ...export.exporting import checked
from ...quantize.contract import schemes
from .records import Configuration, Missing, Request

KINDS = ("channels", "blocks")


def candidates(
    checkpoints: Sequence[Checkpoint], request: Request, target: Target
) -> tuple[list[Configuration], list[Missing]]:
    """The candidates on this target, and what cannot be tried there, each with its reason."""
    found: list[Configuration] = []
    left_out: list[Missing] = []
    for engine, variants in _engines(request, target, left_out):
        format_name = engine.formats[0]
        plugin = formats()[format_name]
        left_out += [_same_kernels(engine, other) for other in engine.formats[1:]]
        if missing := plugin.unavailable():
            left_out.append(Missing(what=plugin.name, kind="unavailable", reason=missing.reason, fix=missing.fix))
            continue
        for checkpoint in checkpoints:
            for plan in _plans(checkpoint, request, left_out):
                found += _of(checkpoint.ref, plan, plugin, engine, variants, request)
    return found, list({each.what: each for each in left_out}.values())


def _engines(request: Request, target: Target, left_out: list[Missing]) -> Iterator[tuple[Engine, list[str]]]:
    """Each with its variants that can be had there. One that was named has to be there."""
    known = target.engines()
    named = [parse_engine(name, known) for name in request.runtimes]
    for engine in dict.fromkeys(engine for engine, _ in named) if named else known.values():
        asked = [variant for its, variant in named if its is engine]
        device = engine.devices[0]
        missing = engine.unavailable(device)
        reason = missing.reason if missing else engine.untimed
        fix = missing.fix if missing else "`evaluate(ARTIFACT)` gives its accuracy."
        if reason:
            if named:
                raise UnavailableError(f"{engine.name} is not available on {target.name}: {reason}", fix)
            left_out.append(Missing(what=engine.name, kind="unavailable", reason=reason, fix=fix))
            continue
        variants = []
        for variant in asked if any(asked) else engine.variants:
            name = f"{engine.name}:{variant}"
            if variant in engine.slow_variants and variant not in asked:
                reason = "it takes minutes to load"
                left_out.append(Missing(what=name, kind="not tried", reason=reason, fix=f"Name it: `runtime={name}`."))
            elif gone := engine.unavailable(device, variant):
                left_out.append(Missing(what=name, kind="unavailable", reason=gone.reason, fix=gone.fix))
            else:
                variants.append(variant)
        yield engine, variants


def _same_kernels(engine: Engine, format_name: str) -> Missing:
    reason = f"{engine.name} runs {engine.formats[0]}, and the same kernels for {format_name}"
    return Missing(what=f"{format_name} on {engine.name}", kind="not tried", reason=reason)


def _plans(checkpoint: Checkpoint, request: Request, left_out: list[Missing]) -> list[str]:
    """How it may be pruned; "" is not at all."""
    if request.finetune is None:
        what, fix = f"pruned forms of {checkpoint.ref}", "Give `finetune=prune-finetune` and a `budget`."
        left_out.append(Missing(what=what, kind="not tried", reason="they need fine-tuning", fix=fix))
        return [""]
    if not isinstance(checkpoint.spec, ResNetSpec):
        reason = "only residual networks are pruned"
        left_out.append(Missing(what=f"pruned forms of {checkpoint.ref}", kind="unavailable", reason=reason))
        return [""]
    return ["", *(f"{kind} {share:g}" for kind in KINDS for share in request.shares)]


def _of(
    ref: str, plan: str, plugin: Format, engine: Engine, variants: Sequence[str], request: Request
) -> Iterator[Configuration]:
    lossy = getattr(engine, "lossy_variants", ())
    for precision, scheme in _ways(plugin):
        for variant in variants:
            is_exact = precision == "fp32" and variant not in lossy
            if variant in lossy and precision != "fp32":
                continue  # fewer bits than it has already
            if not is_exact and request.max_drop is None and request.objective != "accuracy":
                continue  # nobody measures what it loses
            for threads in request.threads:
                name = f"{engine.name}:{variant}" if variant else engine.name
                yield Configuration(
                    network=ref,
                    plan=plan,
                    format=plugin.name,
                    precision=precision,
                    scheme=scheme,
                    runtime=name,
                    threads=threads,
                    is_exact=is_exact,
                )


def _ways(plugin: Format) -> Iterator[tuple[Precision, str]]:
    """Each precision, and each scheme of int8 that fits the format."""
    for precision in plugin.precisions:
        if precision == "int8" and isinstance(plugin, GraphFormat):
            yield from (("int8", scheme.name) for scheme in schemes().values() if plugin.fits(scheme))
        else:
            yield precision, ""


def options_of(c: Configuration) -> ExportOptions:
    """How its artifact is exported."""
    from ...export.quantizing import config_for

    plugin: Format = choose(formats(), c.format, "format")
    quantize = config_for(plugin, c.scheme) if c.scheme else None
    return checked(ExportOptions(precision=c.precision, quantize=quantize), plugin)
