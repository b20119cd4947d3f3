"""`view`: an artifact's graph in a viewer of models, with where its time goes."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.progress import Progress, silent
from ..core.types import Artifact
from ..export import files

if TYPE_CHECKING:
    import onnx

    from .quantization.profile import ArtifactProfile

VIEWERS = {"model-explorer": "model_explorer", "netron": "netron"}  # the first that is here and shows the file
NETRON_OPENS = (files.ONNX, files.LITERT, files.OPENVINO, files.NCNN_PARAM, files.EXECUTORCH, files.ORT)
EXPLORER_OPENS = (files.ONNX, files.LITERT)
HOST = "127.0.0.1"


class Overlay(NamedTuple):
    """Figures of nodes by their names: milliseconds of one run, and wrong integer results where any are."""

    title: str
    values: Mapping[str, float]


class Shown(NamedTuple):
    """A viewer that was started: it runs until `wait` comes back, which an interrupt ends."""

    viewer: str
    url: str
    overlays: tuple[Overlay, ...]
    wait: Callable[[], None]


def view(
    artifact: Artifact,
    *,
    viewer: str | None = None,
    overlay: bool = True,
    port: int = 0,
    browse: bool = True,
    progress: Progress = silent,
) -> Shown:
    """Start a viewer of models on the artifact's file: Model Explorer or Netron, whichever is installed.

    Args:
        artifact: What is shown.
        viewer: "model-explorer" or "netron"; None is the first of these that is installed and opens the file.
        overlay: Whether the artifact is profiled first, as `reszoo doctor` does, so that each node shows its time and
            its wrong integer results. Model Explorer colours the nodes by it; Netron lists it with a node's properties.
        port: Of this machine, where nobody else can reach it; 0 is any that is free.
        browse: Whether the browser is opened.
        progress: Is told of the profile.

    Raises:
        UsageError: There is no such viewer, or it does not open files of this format.
        UnavailableError: It is not installed, or none is.
    """
    name, path = _chosen(artifact, viewer)
    overlays = _overlays(artifact, progress) if overlay and path.name == files.ONNX else ()
    show = _in_explorer if name == "model-explorer" else _in_netron
    return show(artifact, overlays, port or _free_port(), browse)


def _chosen(artifact: Artifact, viewer: str | None) -> tuple[str, Any]:
    if viewer is not None and viewer not in VIEWERS:
        raise UsageError(f"there is no viewer {viewer!r}", f"Choose one: {' or '.join(VIEWERS)}.")
    opens = {"model-explorer": EXPLORER_OPENS, "netron": NETRON_OPENS}
    names = [viewer] if viewer else list(VIEWERS)
    able = {name: file for name in names if (file := _opened(artifact, opens[name]))}
    if not able:
        raise UsageError(
            f"{' and '.join(names)} open no {artifact.format} files", "Export it to onnx or litert, and view that."
        )
    here = next((name for name in able if find_spec(VIEWERS[name])), None)
    if here is None:
        fix = "pip install ai-edge-model-explorer" if viewer == "model-explorer" else "pip install 'reszoo[view]'"
        raise UnavailableError(f"{' and '.join(able)} {'is' if len(able) == 1 else 'are'} not installed", fix)
    return here, artifact.path / able[here]


def _opened(artifact: Artifact, names: Sequence[str]) -> str:
    listed = {file.name for file in artifact.files}
    return next((name for name in names if name in listed), "")


def _overlays(artifact: Artifact, progress: Progress) -> tuple[Overlay, ...]:
    from .quantization.profile import profile_artifact

    try:
        found = profile_artifact(artifact, progress=progress)
    except UnavailableError:  # no runtime here tells of its kernels: the graph is shown all the same
        return ()
    return overlays_of(found)


def overlays_of(profile: "ArtifactProfile") -> tuple[Overlay, ...]:
    """What a profile says of single nodes."""
    times: dict[str, float] = {}
    for kernel in profile.kernels:
        times[kernel.name] = times.get(kernel.name, 0.0) + 1e3 * kernel.seconds
    overlays = [Overlay(f"ms in {profile.runtime}, batch {profile.batch}", times)]
    if profile.check and profile.check.wrong:
        wrong = {layer.layer: layer.wrong / layer.elements for layer in profile.check.wrong}
        overlays.append(Overlay("share of wrong integer results", wrong))
    return tuple(overlays)


def _in_netron(artifact: Artifact, overlays: tuple[Overlay, ...], port: int, browse: bool) -> Shown:
    import netron

    from ..core.silence import quietly

    path = artifact.path / _opened(artifact, NETRON_OPENS)
    data = annotated(artifact, overlays) if overlays else None
    with quietly():
        address = netron.serve(str(path), data, (HOST, port), browse)
    return Shown("netron", "http://{}:{}".format(*address), overlays, netron.wait)


def annotated(artifact: Artifact, overlays: Sequence[Overlay]) -> bytes:
    """The ONNX model with the overlays among its nodes' properties."""
    model = _model(artifact)
    for node in model.graph.node:
        for overlay in overlays:
            if (value := overlay.values.get(node.name)) is not None:
                entry = node.metadata_props.add()
                entry.key, entry.value = overlay.title, f"{value:.4g}"
    data: bytes = model.SerializeToString()
    return data


def _in_explorer(artifact: Artifact, overlays: tuple[Overlay, ...], port: int, browse: bool) -> Shown:
    import model_explorer
    from model_explorer import server

    server._get_latest_version_from_repo = lambda url: "0"  # nothing is asked of the network
    config = model_explorer.config()
    path = artifact.path / _opened(artifact, EXPLORER_OPENS)
    if path.name == files.ONNX:
        config.graphs_list.append({"graphs": [explorer_graph(_model(artifact))]})
        config.model_sources.append({"url": f"graphs://{artifact.source_ref}/0"})
    else:
        config.add_model_from_path(str(path))
    for overlay in overlays:
        config.add_node_data(overlay.title, node_data(overlay), artifact.source_ref)

    def wait() -> None:
        model_explorer.visualize_from_config(config, host=HOST, port=port, no_open_in_browser=not browse)

    return Shown("model-explorer", f"http://{HOST}:{port}/?data={config.to_url_param_value()}", overlays, wait)


def explorer_graph(model: "onnx.ModelProto") -> Any:
    """The graph as Model Explorer takes it: modules are nested, as `stages.0.1.conv1` is."""
    from model_explorer import graph_builder as made

    makers, nodes = dict[str, str](), []
    for value in model.graph.input:
        makers[value.name] = value.name
        nodes.append(made.GraphNode(id=value.name, label="input"))
    for node in model.graph.node:
        edges = [
            made.IncomingEdge(sourceNodeId=makers[name], targetNodeInputId=str(place))
            for place, name in enumerate(node.input)
            if name in makers
        ]
        space = "/".join(node.name.split(".")[:-1])
        nodes.append(made.GraphNode(id=node.name, label=node.op_type, namespace=space, incomingEdges=edges))
        makers |= dict.fromkeys(node.output, node.name)
    return made.Graph(id=model.graph.name, nodes=nodes)


def node_data(overlay: Overlay) -> Any:
    """An overlay as Model Explorer takes it: from white to red."""
    from model_explorer import node_data_builder as made

    results = {name: made.NodeDataResult(value=float(f"{value:.4g}")) for name, value in overlay.values.items()}
    gradient = [made.GradientItem(stop=0, bgColor="white"), made.GradientItem(stop=1, bgColor="red")]
    return made.GraphNodeData(results=results, gradient=gradient)


def _model(artifact: Artifact) -> "onnx.ModelProto":
    import onnx

    try:
        return onnx.load(artifact.path / files.ONNX)
    except Exception as error:  # of protobuf, which the file's hash does not rule out
        raise ReszooError(f"{artifact.path / files.ONNX} is no ONNX model: {error}", "Export it again.") from error


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
