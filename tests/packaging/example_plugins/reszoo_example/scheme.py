"""A quantization scheme: reszoo's own under another name."""

from reszoo.quantize.schemes.int8 import Int8


class ExampleScheme(Int8):
    name = "example"
    packages = ("reszoo-example",)


SCHEME = ExampleScheme()
