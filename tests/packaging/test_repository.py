"""What others find of the repository: workflows, forms, the citation and the release are valid, and say the same."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from release_notes import notes

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GITHUB = ROOT / ".github"
FORMS = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
SCHEMAS = {
    "vendor.github-workflows": sorted((GITHUB / "workflows").glob("*.yml")),
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.github-issue-forms": sorted(FORMS),
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}


def tool(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    path = shutil.which(name, path=os.pathsep.join([str(BIN), os.environ["PATH"]]))
    if path is None:
        pytest.skip(f"{name} is not installed")
    return subprocess.run([path, *map(str, words)], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_github_and_citation_files_have_their_schemas(schema: str) -> None:
    assert SCHEMAS[schema]
    done = tool("check-jsonschema", "--builtin-schema", schema, "--default-filetype", "yaml", *SCHEMAS[schema])
    assert done.returncode == 0, done.stdout


def test_no_workflow_lets_others_in() -> None:
    """Untrusted text in a script, tokens that may do more than they have to, actions of others by a name."""
    done = tool("zizmor", "--offline", "--no-progress", GITHUB)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_is_sound() -> None:
    done = tool("hadolint", "docker/Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_container_gets_the_core_and_each_package_by_its_hashes() -> None:
    text = (ROOT / "docker" / "requirements.txt").read_text().replace("\\\n", " ")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+).*--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE))
    assert len(pinned) == len([line for line in text.splitlines() if line.strip()])
    wanted = {re.split(r"[<>=]", each)[0] for each in PROJECT["dependencies"]}
    assert wanted <= set(pinned)
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    known = {name.lower().replace("_", "-"): version for name, version in constraints.items()}
    assert {name: known.get(name, version) for name, version in pinned.items()} == pinned


def test_everything_names_one_version() -> None:
    version = PROJECT["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "release_notes.py", version], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### ")
    other = subprocess.run(
        [sys.executable, ROOT / "scripts" / "release_notes.py", "9.9.9"], capture_output=True, text=True
    )
    assert other.returncode == 1
    assert "pyproject.toml" in other.stderr


def test_notes_are_of_that_version_alone() -> None:
    text = "# Changelog\n\n## Unreleased\n\n## 1.1.0 - 2026-01-02\n\n- new\n\n## 1.0.0\n\n- old\n"
    assert notes("1.1.0", text) == "- new\n"
    assert notes("1.0.0", text) == "- old\n"
    with pytest.raises(ValueError, match="says nothing of 2"):
        notes("2", text)


def jobs_of(workflow: str) -> dict:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((GITHUB / "workflows" / f"{workflow}.yml").read_text())["jobs"]


def test_ci_tries_every_python_that_is_promised() -> None:
    promised = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)}
    assert set(jobs_of("ci")["test"]["strategy"]["matrix"]["python"]) == promised


def test_every_test_is_run_for_a_change_or_every_night() -> None:
    targets = re.findall(r"^([a-z]+)(?: [a-z]+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = {name: re.findall(r"\bmake ([a-z]+)", json.dumps(jobs_of(name))) for name in ("ci", "nightly")}
    assert {"lint", "docs", "test"} <= set(made["ci"])
    assert {"test", "long"} <= set(made["nightly"])
    assert {*made["ci"], *made["nightly"]} <= {*targets, "long"}
