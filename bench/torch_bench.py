"""PyTorch's side of a comparison (bench/peer-torch.ts): one JSON request a line on stdin, one JSON answer a line on stdout.

{"do": "start", "work": {...}, "files": {name: {"shape": [...], "file": path}}} -> {"sides": [{"name"} or {"name", "reason"}]}
{"do": "run", "side": k, "times": n}                                           -> {"milliseconds", "cpuMilliseconds"}
{"do": "read", "side": k, "folder": path}                                      -> {"files": {name: path}}, raw float32
{"do": "dispose"}                                                              -> {}

A side is a configuration of PyTorch. On the CPU: eager, and eager with channels last. On CUDA: both, with float32 and with
TF32 products, torch.compile where there is more than one operator, and each of these again as a CUDA graph. One that fails
says why, and the others go on.
"""

import copy
import gc
import json
import os
import sys
import time
import warnings

import torch
import torch.nn.functional as F

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
DECAY1, DECAY2, EPSILON = 0.9, 0.999, 1e-8
# Whatever is printed by libraries must not get between the answers.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
warnings.filterwarnings("ignore")


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:200]


def synchronise():
    if CUDA:
        torch.cuda.synchronize()


def use_tf32(on):
    torch.backends.cudnn.allow_tf32 = on
    torch.backends.cuda.matmul.allow_tf32 = on


def load(entry):
    with open(entry["file"], "rb") as file:
        flat = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    return flat.reshape(entry["shape"]).to(DEVICE)


def save(tensor, folder, name):
    path = os.path.join(folder, name)
    data = tensor.detach().to("cpu", torch.float32).contiguous().flatten()
    with open(path, "wb") as file:
        file.write(bytes(data.untyped_storage())[: 4 * data.numel()])
    return path


def conv_work(work, tensors, form):
    """One pass of a convolution. Returns a function that makes {"result"}."""
    x, w, dy = (tensors[name] for name in ("x", "w", "dy"))
    x, w, dy = (t.to(memory_format=form) for t in (x, w, dy))
    three = [1, 1, 1]

    def backward(mask):
        return torch.ops.aten.convolution_backward(dy, x, w, None, three, three, three, False, [0, 0, 0], 1, mask)

    passes = {
        "forward": lambda: F.conv3d(x, w, padding=1),
        "data gradient": lambda: backward([True, False, False])[0],
        "weight gradient": lambda: backward([False, True, False])[1],
    }
    run = passes[work["pass"]]
    return lambda: {"result": run()}


class Network:
    """Conv5_FC3 with frozen norms, ReLU and ClinicaDL's PadMaxPool."""

    def __init__(self, work, tensors, form):
        self.fronts = work["fronts"]
        self.blocks = [
            [tensors[f"{name}{k}"] for name in ("weight", "bias", "scale", "shift")] for k in range(len(self.fronts))
        ]
        for block in self.blocks:
            block[0] = block[0].to(memory_format=form)
        self.dense = [(tensors[f"dense{k}"], tensors[f"offset{k}"]) for k in range(work["dense"])]
        channels = [block[2].numel() for block in self.blocks]
        self.statistics = [(torch.zeros(n, device=DEVICE), torch.ones(n, device=DEVICE)) for n in channels]

    def logits(self, x):
        for (weight, bias, scale, shift), (mean, variance), (d, h, w) in zip(
            self.blocks, self.statistics, self.fronts
        ):
            y = F.conv3d(x, weight, bias, padding=1)
            y = F.relu(F.batch_norm(y, mean, variance, scale, shift, eps=0.0))
            if d or h or w:
                y = F.pad(y, (w, 0, h, 0, d, 0))
            x = F.max_pool3d(y, 2, 2)
        y = x.flatten(1)
        for k, (weight, offset) in enumerate(self.dense):
            y = F.linear(F.relu(y) if k else y, weight, offset)
        return y


def network_work(work, tensors, form):
    network = Network(work, tensors, form)
    x = tensors["x"].to(memory_format=form)

    def run():
        with torch.no_grad():
            return {"logits": network.logits(x)}

    return run


class MaskStep:
    """One step of mask optimisation: everything stays on the device, so that it can be compiled and captured."""

    def __init__(self, work, tensors, form):
        self.network = Network(work, tensors, form)
        self.x = tensors["x"].to(memory_format=form)
        self.settings = work["settings"]
        self.mask = torch.ones_like(self.x)
        self.first = torch.zeros_like(self.x)
        self.second = torch.zeros_like(self.x)
        self.powers = torch.ones(2, device=DEVICE)
        self.decays = torch.tensor([DECAY1, DECAY2], device=DEVICE)

    def reset(self):
        self.mask.fill_(1)
        self.powers.fill_(1)
        self.first.zero_()
        self.second.zero_()

    def loss(self, mask):
        """Score and loss. |v|^3 is written out: pow is slower."""
        s = self.settings
        masked = 1 + mask * (self.x - 1)
        score = torch.softmax(self.network.logits(masked), 1)[0, s["target"]]
        area = (1 - mask).abs().sum()
        rough = 0.0
        for axis in (2, 3, 4):
            ahead = (s["slope"] * mask.diff(dim=axis)).abs()
            rough = rough + (ahead * ahead * ahead).sum()
        return score, score + (s["lambda1"] * area + s["lambda2"] * rough) / mask.numel()

    def gradient(self):
        with torch.enable_grad():
            mask = self.mask.detach().requires_grad_()
            score, loss = self.loss(mask)
            (gradient,) = torch.autograd.grad(loss, mask)
        return score.detach(), gradient

    def update(self, gradient):
        self.powers.mul_(self.decays)
        self.first.lerp_(gradient, 1 - DECAY1)
        self.second.mul_(DECAY2).addcmul_(gradient, gradient, value=1 - DECAY2)
        root = (self.second / (1 - self.powers[1])).sqrt_().add_(EPSILON)
        change = self.first / (1 - self.powers[0]) / root
        self.mask.sub_(change, alpha=self.settings["learningRate"]).clamp_(0, 1)

    def __call__(self):
        with torch.no_grad():
            score, gradient = self.gradient()
            self.update(gradient)
        return {"score": score}


MAKERS = {"conv": conv_work, "network": network_work, "mask": MaskStep}


class Side:
    """A piece of work in one configuration."""

    def __init__(self, name, work, tensors, tf32, channels_last, compiled):
        self.name, self.kind, self.tf32 = name, work["kind"], tf32
        self.steps = work.get("settings", {}).get("steps", 0)
        use_tf32(tf32)
        form = torch.channels_last_3d if channels_last else torch.contiguous_format
        self.work = MAKERS[self.kind](work, tensors, form)
        self.once = self.compile() if compiled else self.work
        for _ in range(3 if CUDA else 1):
            self.once()
        synchronise()

    def compile(self):
        if self.kind != "mask":
            return torch.compile(self.work)
        # The gradient is one graph with its backward pass, the update another.
        self.work.loss = torch.compile(self.work.loss)
        self.work.update = torch.compile(self.work.update)
        return self.work

    def captured(self, name):
        """The same as a CUDA graph."""
        use_tf32(self.tf32)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.once()
        torch.cuda.current_stream().wait_stream(stream)
        graph, once = torch.cuda.CUDAGraph(), self.once
        with torch.cuda.graph(graph):
            result = once()

        def replay():
            graph.replay()
            return result

        side = copy.copy(self)
        side.name, side.once = name, replay
        return side

    def run(self, times):
        use_tf32(self.tf32)
        synchronise()
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(times):
            self.once()
        synchronise()
        return {
            "milliseconds": 1000 * (time.perf_counter() - start),
            "cpuMilliseconds": 1000 * (time.process_time() - cpu),
        }

    def read(self, folder):
        use_tf32(self.tf32)
        if self.kind != "mask":
            found = self.once()
        else:
            self.work.reset()
            scores = [self.once()["score"].clone() for _ in range(self.steps)]
            found = {"scores": torch.stack(scores), "relevance": 1 - self.work.mask}
        return {"files": {name: save(tensor, folder, name) for name, tensor in found.items()}}


def configurations(kind):
    """Names and options of Side."""
    for tf32 in (False, True) if CUDA else (False,):
        for compiled in (False, True) if CUDA and kind != "conv" else (False,):
            for channels_last in (False, True):
                words = ["compile" if compiled else "eager"]
                words += ["channels_last_3d"] if channels_last else []
                words += ["TF32" if tf32 else "fp32"] if CUDA else []
                yield " ".join(words), {"tf32": tf32, "channels_last": channels_last, "compiled": compiled}


def start(request):
    tensors = {name: load(entry) for name, entry in request["files"].items()}
    sides, answers = [], []

    def attempt(name, make):
        try:
            sides.append(make(name))
        except Exception as error:  # a configuration that this version or machine does not have
            answers.append({"name": name, "reason": first_line(error)})
            return None
        answers.append({"name": name, "tf32": sides[-1].tf32})
        return sides[-1]

    for name, options in configurations(request["work"]["kind"]):
        side = attempt(name, lambda name: Side(name, request["work"], tensors, **options))
        if CUDA and side:
            attempt(f"{name} CUDA graph", side.captured)
    return sides, {"sides": answers}


def dispose():
    torch._dynamo.reset()
    gc.collect()
    if CUDA:
        torch.cuda.empty_cache()


def main():
    torch.backends.cudnn.benchmark = True
    device = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
    print(json.dumps({"version": torch.__version__, "device": device, "cuda": CUDA}), file=ANSWERS)
    sides = []
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                sides, answer = start(request)
            elif request["do"] == "run":
                answer = sides[request["side"]].run(request["times"])
            elif request["do"] == "read":
                answer = sides[request["side"]].read(request["folder"])
            else:
                sides, answer = [], {}
                dispose()
        except Exception as error:
            answer = {"error": first_line(error)}
        print(json.dumps(answer), file=ANSWERS)


main()
