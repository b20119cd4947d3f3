"""ONNX Runtime Web: WebAssembly, in a browser."""

from ..browser.running import BrowserRuntime


class OnnxRuntimeWeb(BrowserRuntime):
    name = "onnxruntime-web"
    formats = ("web",)


RUNTIME = OnnxRuntimeWeb()
