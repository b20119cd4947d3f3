"""From a bundled checkpoint to a smaller, faster artifact that keeps its accuracy: `python examples/deploy.py`."""

import reszoo

if __name__ == "__main__":
    with reszoo.ProgressBar() as progress:
        checkpoint = reszoo.load("resnet8_v1.reszoo_digits")
        small = checkpoint.prune(macs=0.5, batch=32, finetune="digits", out="example/pruned", progress=progress)
        fp32 = checkpoint.export("onnx", out="example/onnx")
        pruned = small.export("openvino", out="example/openvino")
        int8 = small.quantize("onnx", max_drop=0.005, batch=32, out="example/int8", progress=progress)

        for artifact in (fp32, pruned, int8):
            print(artifact.evaluate("digits"))
        measured = [artifact.benchmark(batch=32, time_limit=3, progress=progress) for artifact in (fp32, pruned, int8)]
        print(reszoo.compare(fp32, pruned, int8, batch=32, time_limit=10, progress=progress))
        print(reszoo.report(measured, html="example/report.html", markdown="example/report.md"))
