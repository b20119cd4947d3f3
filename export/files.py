"""What the files of each format are called: formats write them, runtimes open them."""

ONNX = "model.onnx"
ORT = "model.ort"
LITERT = "model.tflite"
EXECUTORCH = "model.pte"
MNN = "model.mnn"
OPENVINO = "model.xml"  # the graph; its weights lie beside it, in model.bin
NCNN_PARAM, NCNN_WEIGHTS = "model.ncnn.param", "model.ncnn.bin"
