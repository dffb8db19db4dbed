"""PyTorch's side of bench/train.ts: one JSON request a line on stdin, one JSON answer a line on stdout.

{"do": "start", "layers": [...], "training": {...}, "files": {name: {"shape", "file"}}} -> {}
{"do": "run", "times": n}  -> {"milliseconds", "cpuMilliseconds"}
{"do": "read", "steps": n} -> {"losses": [...]}
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F

ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(entry):
    with open(entry["file"], "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(entry["shape"]).to(DEVICE)


class Training:
    """The layers of a network description, its batch, and Adam."""

    def __init__(self, request):
        tensors = {name: load(entry) for name, entry in request["files"].items()}
        self.x = tensors.pop("scans")
        self.labels = tensors.pop("labels").long()
        self.layers = request["layers"]
        self.weights = {name: t.requires_grad_() for name, t in tensors.items() if "running" not in name}
        settings = request["training"]
        self.adam = torch.optim.Adam(
            self.weights.values(),
            lr=settings["learningRate"],
            betas=(settings["beta1"], settings["beta2"]),
            eps=settings["epsilon"],
        )

    def forward(self):
        x = self.x
        for layer in self.layers:
            kind, name = layer["type"], layer["name"]
            weight, bias = self.weights.get(f"{name}.weight"), self.weights.get(f"{name}.bias")
            if kind == "conv3d":
                x = F.conv3d(x, weight, bias, padding=1)
            elif kind == "batchNorm":
                x = F.batch_norm(x, None, None, weight, bias, training=True, eps=layer["epsilon"])
            elif kind == "relu":
                x = F.relu(x)
            elif kind == "leakyRelu":
                x = F.leaky_relu(x, layer["slope"])
            elif kind == "maxPool3d":
                d, h, w = layer["padding"]["front"]
                x = F.max_pool3d(F.pad(x, (w, 0, h, 0, d, 0)) if d or h or w else x, 2, 2)
            elif kind == "flatten":
                x = x.flatten(1)
            elif kind == "dense":
                x = F.linear(x, weight, bias)
            elif kind != "dropout":
                raise ValueError(f"the comparison has no {kind}")
        return x

    def step(self):
        loss = F.cross_entropy(self.forward(), self.labels)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        return loss


def synchronise():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def answer(request, state):
    if request["do"] == "start":
        state["training"] = Training(request)
        return {}
    training = state["training"]
    if request["do"] == "read":
        return {"losses": [training.step().item() for _ in range(request["steps"])]}
    synchronise()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(request["times"]):
        training.step()
    synchronise()
    return {
        "milliseconds": 1000 * (time.perf_counter() - start),
        "cpuMilliseconds": 1000 * (time.process_time() - cpu),
    }


def main():
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(json.dumps({"version": torch.__version__, "device": device, "cuda": DEVICE.type == "cuda"}), file=ANSWERS)
    state = {}
    for line in sys.stdin:
        try:
            print(json.dumps(answer(json.loads(line), state)), file=ANSWERS)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}), file=ANSWERS)


main()
