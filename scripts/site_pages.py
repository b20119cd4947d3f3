"""The parts of the site that are made when mkdocs builds it, so that they cannot go stale.

README.md is the home page, CHANGELOG.md, CONTRIBUTING.md and SECURITY.md are pages as they stand, and the zoo's table
comes from its cards and from what was measured.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from zoo_table import zoo_table

from reszoo import zoo

ROOT = Path(__file__).resolve().parent.parent
WIDE = "---\nhide: [navigation]\n---\n"
FROM_THE_TOP = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
FROM_THE_TOP |= {"SECURITY.md": "security.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in FROM_THE_TOP.items():
        files.append(File.generated(config, page, content=WIDE + linked((ROOT / source).read_text())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri.endswith("/README.md"):  # of a study: its table needs the width
        page.meta["hide"] = ["navigation", "toc"]
    if page.file.src_uri != "zoo.md":
        return markdown
    return markdown.replace("<!-- zoo -->", zoo_table(zoo.list_models()))


def linked(text: str) -> str:
    """Links from the top of the repository become links from docs/."""
    for source, page in FROM_THE_TOP.items():
        text = text.replace(f"]({source})", f"]({page})")
    return text.replace("](docs/", "](")
