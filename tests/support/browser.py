"""Chromium without a window, for tests of pages; where there is none they are skipped, with the reason."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """A playwright Browser."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on PATH: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", *flags])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page of a file, opened without a network, and all that went wrong or was asked for meanwhile."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.context = browser.new_context(offline=True, **context)
        self.context.set_default_timeout(120_000)  # ms: enough on a machine that is busy with other work
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("dialog", self._refuse)
        self.page.goto(file.as_uri())

    def _refuse(self, dialog: Any) -> None:
        self.errors.append(f"the page opened a dialog: {dialog.message}")
        dialog.dismiss()

    def close(self) -> None:
        self.context.close()
