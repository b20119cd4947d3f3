"""The page that classifies pictures in a browser: the files of `web/`, with one engine's module as page/engine.js."""

from pathlib import Path

FILES = Path(__file__).with_name("web")
INDEX, SERVER, ENGINE = "index.html", "serve.py", "page/engine.js"


def is_for(runtime_name: str) -> bool:
    """Whether there is a page for this runtime."""
    return _engine(runtime_name).is_file()


def texts(runtime_name: str) -> dict[str, str]:
    """The files of the page for this runtime, by their names in the artifact's folder; none where there is no page."""
    if not is_for(runtime_name):
        return {}
    files = [FILES / INDEX, *sorted((FILES / "page").iterdir())]
    found = {path.relative_to(FILES).as_posix(): path.read_text(encoding="utf-8") for path in files}
    found[ENGINE] = _engine(runtime_name).read_text(encoding="utf-8")
    found[SERVER] = Path(__file__).with_name(SERVER).read_text(encoding="utf-8")
    return found


def _engine(runtime_name: str) -> Path:
    return FILES / "engines" / f"{runtime_name}.js"
