"""Ask a server by tritonclient, in an environment that has it: ADDRESS MODEL INPUTS.npy; prints JSON."""

import json
import sys

import numpy as np
import tritonclient.http as triton

address, model, path = sys.argv[1:]
inputs = np.load(path)
client = triton.InferenceServerClient(address, concurrency=4)


def tensor(batch: np.ndarray, binary: bool) -> triton.InferInput:
    made = triton.InferInput("input", batch.shape, "FP32")
    made.set_data_from_numpy(batch, binary_data=binary)
    return made


def ask(batch: np.ndarray, binary: bool) -> list[list[float]]:
    wanted = [triton.InferRequestedOutput("logits", binary_data=binary)]
    return client.infer(model, [tensor(batch, binary)], outputs=wanted).as_numpy("logits").tolist()


together = [client.async_infer(model, [tensor(image[None], True)]) for image in inputs]
try:
    ask(inputs[:, :, 1:], True)
    error = ""
except triton.InferenceServerException as wrong:
    error = str(wrong)
found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(model),
    "metadata": client.get_model_metadata(model),
    "json": ask(inputs, False),
    "binary": ask(inputs, True),
    "together": [each.get_result().as_numpy("logits")[0].tolist() for each in together],
    "error": error,
}
print(json.dumps(found))
