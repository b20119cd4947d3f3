"""LiteRT.js: WebAssembly, in a browser."""

from ..browser.running import BrowserRuntime


class LiteRtWeb(BrowserRuntime):
    """It computes with relaxed SIMD where the browser has that; `compat` goes without."""

    name = "litert-web"
    formats = ("web-litert",)
    variants = ("", "compat")


RUNTIME = LiteRtWeb()
