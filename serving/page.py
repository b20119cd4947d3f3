"""The page that pictures are dropped on: that of artifacts for browsers, which sends them here instead."""

from collections.abc import Mapping
from pathlib import Path

from ..export.deployment import page

OWN = Path(__file__).with_name("web")
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}
# What index.html says of a page that computes by itself, and what is true here.
SAID = {
    "Pictures stay on this device: they are classified in this page, which asks nothing of any other server.": (
        "Pictures are sent to the server that this page comes from, which classifies them and keeps none."
    ),
    """<p><strong>This page has to come from a web server</strong>, and needs JavaScript. In its folder, run</p>
  <pre><code>python serve.py</code></pre>
  <p>and open the address that it prints.</p>""": "<p><strong>This page needs JavaScript.</strong></p>",
}


def files() -> Mapping[str, tuple[bytes, bytes]]:
    """By their paths: the type and the content. `page/model.js` is the module that the page asks."""
    sources = {f"/page/{name}": page.FILES / "page" / name for name in ("page.css", "page.js")}
    sources |= {"/page/model.js": OWN / "model.js"}
    text = (page.FILES / page.INDEX).read_text(encoding="utf-8")
    for other, here in SAID.items():
        text = text.replace(other, here)
    found = {path: (TYPES[source.suffix], source.read_bytes()) for path, source in sources.items()}
    return found | {"/": (TYPES[".html"], text.encode())}
