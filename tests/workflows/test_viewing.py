"""`reszoo view`: the viewers show the artifact's own nodes, with what a profile says of each."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import onnx
import pytest
from once import once
from processes import started

import reszoo
from reszoo.core.errors import UnavailableError, UsageError
from reszoo.export.exporting import export
from reszoo.workflows import viewing

REF = "resnet8_v2.reszoo_digits"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> reszoo.Artifact:
    folder = once(tmp_path_factory, "viewed-onnx", lambda folder: export(reszoo.zoo.load(REF), "onnx", out=folder))
    return reszoo.load_artifact(folder)


def test_netron_gets_each_nodes_time_among_its_properties(artifact: reszoo.Artifact) -> None:
    pytest.importorskip("netron")
    import netron

    shown = viewing.view(artifact, viewer="netron", browse=False)
    try:
        with urllib.request.urlopen(shown.url, timeout=10) as page:  # noqa: S310
            assert b"Netron" in page.read()
        with urllib.request.urlopen(f"{shown.url}/data/model.onnx", timeout=10) as file:  # noqa: S310
            model = onnx.load_model_from_string(file.read())
    finally:
        netron.stop()
    (overlay,) = shown.overlays
    assert overlay.title == "ms in onnxruntime, batch 1"
    written = {
        node.name: float(entry.value)
        for node in model.graph.node
        for entry in node.metadata_props
        if entry.key == overlay.title
    }
    assert written
    assert written == {name: pytest.approx(overlay.values[name], rel=1e-3) for name in written}
    assert any(name.startswith("stages.") for name in written)
    plain = onnx.load(artifact.path / "model.onnx")
    assert [node.name for node in plain.graph.node] == [node.name for node in model.graph.node]
    assert not any(node.metadata_props for node in plain.graph.node)  # the artifact's own file is as it was


def test_the_verb_shows_until_it_is_interrupted(artifact: reszoo.Artifact, tmp_path: Path) -> None:
    pytest.importorskip("netron")
    command = [sys.executable, "-m", "reszoo.cli.main", "view", str(artifact.path)]
    command += ["--no-overlay", "--no-browser", "--viewer", "netron"]
    with started(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert url, line
            with urllib.request.urlopen(url[0], timeout=10) as page:  # noqa: S310
                assert page.status == 200
        finally:
            os.kill(process.pid, signal.SIGINT)
        process.wait(20)


def test_model_explorer_gets_nested_nodes_and_a_colour_for_each_time(artifact: reszoo.Artifact) -> None:
    made = pytest.importorskip("model_explorer")
    graph = viewing.explorer_graph(onnx.load(artifact.path / "model.onnx"))
    ids = {node.id for node in graph.nodes}
    assert all(edge.sourceNodeId in ids for node in graph.nodes for edge in node.incomingEdges)
    assert any(node.namespace.startswith("stages/0/0") for node in graph.nodes)
    overlay = viewing.Overlay("ms", {"stages.0.0.conv1": 0.1})
    assert '"stages.0.0.conv1": {"value": 0.1}' in viewing.node_data(overlay).to_json_string()
    shorter = viewing.node_data(viewing.Overlay("ms", {"a": 0.0058000000001}))
    assert '{"value": 0.0058}' in shorter.to_json_string()
    from model_explorer import server

    assert callable(server._get_latest_version_from_repo)  # which `view` keeps from asking the network
    assert made.__version__


def test_what_cannot_be_shown_is_said(artifact: reszoo.Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="there is no viewer 'vim'"):
        viewing.view(artifact, viewer="vim")
    monkeypatch.setattr(viewing, "VIEWERS", {"model-explorer": "no_such_module", "netron": "neither_this"})
    with pytest.raises(UnavailableError, match="are not installed") as caught:
        viewing.view(artifact)
    assert caught.value.fix == "pip install 'reszoo[view]'"
    monkeypatch.setattr(viewing, "NETRON_OPENS", ())
    with pytest.raises(UsageError, match="netron open no onnx files"):
        viewing.view(artifact, viewer="netron")
