"""From an ONNX graph to an engine: strongly typed, so that the graph alone decides on precision."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ...core.errors import ReszooError, UsageError
from ...core.files import cache_dir, write_atomic
from ...core.silence import quietly
from ...core.types import Candidate, Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import cuda
from ..contract.format import GraphFormat
from ..contract.options import BatchRange, ExportOptions, input_spec
from ..contract.runtime import Runtime, runtimes
from ..formats import onnx
from .edition import MODEL_FILE, Edition, listener

LAYERS_FILE = "layers.txt"
DEFAULT_BATCHES = BatchRange(min=1, opt=8, max=64)


class EngineFormat(GraphFormat):
    """An engine, the ONNX graph that it was built from, and what became of that graph's layers.

    The graph lies beside the engine because an engine outlives neither its library's version nor its GPU: it can be
    built anew from the graph, and where there is no GPU, the graph is what can be proven.
    """

    edition: ClassVar[Edition]
    precisions = ("fp32", "fp16", "int8")
    graph_kind = "onnx"
    activations = ("s8",)  # a zero point of u8 is for DLA alone: elsewhere the parser takes it for int8's
    # a GPU's integer kernels have 32-bit sums, which cannot saturate
    natural_int8 = QuantizeConfig(scheme="int8", activations="s8", saturation="ignore")
    has_opset = True
    has_static_batch = True
    has_batch_range = True
    is_for_gpus = True
    is_reproducible = False  # names of inner tensors are counted through the whole process
    opened = (MODEL_FILE,)
    companions = (onnx.MODEL_FILE, LAYERS_FILE)

    def unavailable(self) -> Unavailable | None:
        if missing := self.edition.unavailable():
            return missing
        if not self.edition.targets:
            return cuda.unavailable(self.edition.name)
        return None

    def versions(self) -> dict[str, str]:
        """The library's own word: it may have been installed from a package of another name."""
        return super().versions() | {self.edition.package: self.edition.load().__version__}

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        onnx.FORMAT.check(msgspec.structs.replace(options, batches=None, compute_capability=()))  # the opset
        known = self.edition.targets or cuda.capabilities()
        for wanted in options.compute_capability:
            if wanted not in known:
                raise UsageError(
                    f"{self.edition.title} cannot build for compute capability {wanted} here",
                    f"It can for {', '.join(known) or 'none, without a GPU'}.",
                )

    def complete(self, options: ExportOptions) -> ExportOptions:
        """A range for a dynamic batch; the GPU here, for the library that builds for no other."""
        return msgspec.structs.replace(
            options,
            batches=None if options.batch else options.batches or DEFAULT_BATCHES,
            compute_capability=options.compute_capability or (() if self.edition.targets else cuda.capabilities()),
        )

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        return onnx.FORMAT.graph(checkpoint, options)

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        options = self.complete(options)
        with quietly():
            engine, layers = _build(self.edition, graph, checkpoint, options)
        (folder / MODEL_FILE).write_bytes(engine)
        (folder / onnx.MODEL_FILE).write_bytes(graph)
        (folder / LAYERS_FILE).write_text(layers, encoding="utf-8")

    def stand_in(self, written: Candidate) -> tuple[Candidate, Runtime]:
        """The graph that it was built from."""
        runtime = runtimes()[onnx.FORMAT.parity_runtime]
        return msgspec.structs.replace(written, format=onnx.FORMAT.name), runtime


def _build(edition: Edition, graph: bytes, checkpoint: Checkpoint, options: ExportOptions) -> tuple[bytes, str]:
    """The engine, and a text about its layers."""
    trt = edition.load()
    log = listener(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        said = " ".join(str(parser.get_error(0)).split())
        raise ReszooError(f"{edition.title} cannot read the graph: {said}", "Try another `opset`.")
    log.errors.clear()  # a parser that has done its work complains about its thread
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for the text
    config.clear_flag(trt.BuilderFlag.TF32)  # which would give fp32 ten bits of mantissa instead of 23
    if options.batches:
        config.add_optimization_profile(_profile(builder, checkpoint, options, options.batches))
    build = _build_unseen if edition.targets else _build_timed
    engine = build(edition, options.compute_capability, builder, network, config)
    if engine is None:
        raise ReszooError(f"{edition.title} cannot build the engine: {log.said}", "Export to another format.")
    return bytes(engine), log.layers


def _profile(builder: Any, checkpoint: Checkpoint, options: ExportOptions, batches: BatchRange) -> Any:
    spec = input_spec(checkpoint, options)
    profile = builder.create_optimization_profile()
    profile.set_shape(spec.name, *((size, *spec.shape[1:]) for size in (batches.min, batches.opt, batches.max)))
    return profile


def _build_unseen(edition: Edition, targets: tuple[str, ...], builder: Any, network: Any, config: Any) -> Any:
    """TensorRT for RTX needs no GPU: what depends on it is decided where the engine runs."""
    known = edition.load().ComputeCapability
    config.num_compute_capabilities = len(targets)
    for number, target in enumerate(targets):
        config.set_compute_capability(getattr(known, f"SM{target.replace('.', '')}"), number)
    return builder.build_serialized_network(network, config)


def _build_timed(edition: Edition, targets: tuple[str, ...], builder: Any, network: Any, config: Any) -> Any:
    """TensorRT times kernels on the GPU to choose among them. What it has timed once, it need not time again."""
    words = (edition.name, edition.load().__version__, cuda.name(), *targets)
    file = cache_dir() / "tensorrt" / re.sub(r"[^\w.]+", "_", "-".join(words))
    cache = timing_cache(config, file)
    engine = builder.build_serialized_network(network, config)
    if engine is not None and cache is not None:
        with suppress(ReszooError):  # it only saves time: without it the engine is as good
            write_atomic(file, bytes(cache.serialize()))
    return engine


def timing_cache(config: Any, file: Path) -> Any:
    """What was timed before, in the use of `config`; an empty one where the file is not there or does not fit."""
    known = file.read_bytes() if os.access(file, os.R_OK) else b""
    for data in dict.fromkeys((known, b"")):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return cache
    return None
