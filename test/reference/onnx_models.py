"""Makes test/fixtures/model/onnx_*.onnx and onnx.json: small 3D networks exported by PyTorch, and what onnxruntime gives.

Needs torch, onnx, onnxscript, onnxruntime and numpy. Run: python test/reference/onnx_models.py test/fixtures/model
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn


class Block(nn.Module):
    """A residual block of ResNet-18."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.down = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.down(x))


class ResNet(nn.Module):
    """ResNet-18 with few channels."""

    def __init__(self, widths=(2, 3, 4, 4)):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(1, 2, 7, 2, 3, bias=False), nn.BatchNorm3d(2), nn.ReLU(), nn.MaxPool3d(3, 2, 1)
        )
        blocks, inputs = [], 2
        for k, width in enumerate(widths):
            blocks += [Block(inputs, width, 1 if k == 0 else 2), Block(width, width, 1)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, 2)

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool3d(self.blocks(self.stem(x)), 1)
        return self.head(torch.flatten(x, 1))


class Dense(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm3d(inputs), nn.Conv3d(inputs, 2 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm3d(2 * growth), nn.Conv3d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))
        return torch.cat([x, y], 1)


class DenseNet(nn.Module):
    def __init__(self, growth=2, layers=(2, 3)):
        super().__init__()
        parts = [nn.Conv3d(1, 4, 5, 2, 2, bias=False), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(3, 2, 1)]
        channels = 4
        for k, count in enumerate(layers):
            for _ in range(count):
                parts.append(Dense(channels, growth))
                channels += growth
            if k + 1 < len(layers):
                parts += [nn.BatchNorm3d(channels), nn.ReLU(), nn.Conv3d(channels, channels // 2, 1), nn.AvgPool3d(2, 2)]
                channels //= 2
        self.features = nn.Sequential(*parts, nn.BatchNorm3d(channels))
        self.head = nn.Linear(channels, 3)

    def forward(self, x):
        x = torch.relu(self.features(x))
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool3d(x, 1), 1))


class Zoo(nn.Module):
    """The other operators, each once or twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(2, 4, (3, 2, 1), (1, 2, 1), (1, 0, 0), dilation=(1, 1, 1), groups=2)
        self.norm = nn.InstanceNorm3d(4, affine=True)
        self.group = nn.GroupNorm(2, 4)
        self.prelu = nn.PReLU(4)
        self.up = nn.ConvTranspose3d(4, 4, 3, 2, 1, output_padding=1, groups=2)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.mix = nn.Conv3d(8, 6, 1)
        self.gain = nn.Parameter(torch.rand(1, 6, 1, 1, 1) + 0.5)
        self.head = nn.Sequential(nn.Linear(24, 5), nn.Dropout(0.3), nn.Hardswish(), nn.Linear(5, 3))

    def forward(self, x):
        x = self.prelu(self.norm(self.first(nn.functional.pad(x, (1, 0, 0, 1, 2, 0), value=0.25))))
        x = nn.functional.elu(self.group(x), 0.7)
        gate = torch.sigmoid(self.excite(nn.functional.leaky_relu(self.squeeze(x.mean((2, 3, 4))), 0.2)))
        x = x * gate.view(x.shape[0], 4, 1, 1, 1)
        y = nn.functional.interpolate(self.up(x), size=x.shape[2:], mode="trilinear", align_corners=False)
        x = torch.cat([torch.tanh(x), nn.functional.hardsigmoid(y)], 1)
        x = torch.clamp(self.mix(x), -0.5, 1.5) * self.gain - 0.1
        a, b = torch.split(x, [2, 4], 1)
        x = torch.cat([b / 2, 1 - a], 1).permute(0, 1, 4, 2, 3)[:, :, 1:, :, :-1]
        x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        x = nn.functional.avg_pool3d(x, 3, 2, 1, count_include_pad=False)
        x = nn.functional.max_pool3d(x[:, :, :4, :4, :4], 2)
        return torch.log_softmax(self.head(x.reshape(x.shape[0], -1)), 1)


class UNet(nn.Module):
    """A segmentation: down by a stride, up by a transposed convolution and by interpolation, joined with what came before."""

    def __init__(self, classes=3):
        super().__init__()
        block = lambda i, o, s=1: nn.Sequential(nn.Conv3d(i, o, 3, s, 1), nn.InstanceNorm3d(o, affine=True), nn.LeakyReLU(0.01))
        self.first, self.second, self.third = block(1, 3), block(3, 4, 2), block(4, 5, 2)
        self.up = nn.ConvTranspose3d(5, 4, 2, 2)
        self.right, self.end = block(8, 4), block(7, 3)
        self.head = nn.Conv3d(3, classes, 1)

    def forward(self, x):
        a = self.first(x)
        b = self.second(a)
        y = self.right(torch.cat([self.up(self.third(b)), b], 1))
        y = nn.functional.interpolate(y, size=a.shape[2:], mode="trilinear", align_corners=True)
        return self.head(self.end(torch.cat([y, a], 1)))


class Binary(nn.Module):
    """A segmentation of one class: a probability at each voxel."""

    def __init__(self):
        super().__init__()
        self.body = UNet(1)

    def forward(self, x):
        return torch.sigmoid(self.body(x))


class Mixed(nn.Module):
    """Layers of newer networks: channels last with LayerNorm and Linear, GroupNorm, smooth activations, borders, sizes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3, padding=1, padding_mode="replicate")
        self.depthwise = nn.Conv3d(4, 4, 3, padding=1, groups=4, padding_mode="reflect")
        self.layer_norm = nn.LayerNorm(4)
        self.wide, self.narrow = nn.Linear(4, 8), nn.Linear(8, 4)
        self.gamma = nn.Parameter(torch.rand(4))
        self.group_norm = nn.GroupNorm(2, 4)
        self.place = nn.Parameter(torch.rand(1, 4, 3, 3, 2))
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        x = nn.functional.silu(self.first(x))
        y = self.layer_norm(self.depthwise(x).permute(0, 2, 3, 4, 1))
        y = self.narrow(nn.functional.gelu(self.wide(y))) * self.gamma
        x = nn.functional.mish(self.group_norm(x + y.permute(0, 4, 1, 2, 3)))
        x = nn.functional.interpolate(x, size=(3, 3, 2), mode="trilinear", align_corners=True) + self.place
        x = nn.functional.softplus(x) / (1 + x.abs())
        parts = [x.amax((2, 3, 4)), x.mean((2, 3, 4)), (x * x).sum((3, 4)).sqrt().amax(2)]
        return self.head(torch.cat(parts, 1))


def sample(shape):
    k = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((k * 7919) % 1009) / 1009).astype(np.float32).reshape(shape)


def main(folder):
    cases = {
        "resnet": (ResNet, (1, 20, 24, 18), 18, True),
        "densenet": (DenseNet, (1, 18, 16, 20), 18, True),
        "resnet_old": (ResNet, (1, 18, 20, 18), 11, False),
        "zoo": (Zoo, (2, 6, 8, 7), 18, True),
        "zoo_old": (Zoo, (2, 6, 8, 7), 13, False),
        "unet": (UNet, (1, 8, 4, 8), 18, True),
        "unet_old": (UNet, (1, 8, 4, 8), 13, False),
        "unet_binary": (Binary, (1, 8, 4, 4), 18, True),
        "mixed": (Mixed, (1, 5, 4, 6), 20, True),
        "mixed_old": (Mixed, (1, 5, 4, 6), 17, False),
    }
    expected = {}
    for name, (make, shape, opset, dynamo) in cases.items():
        torch.manual_seed(7)
        model = make()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm3d):
                nn.init.uniform_(module.running_mean, -0.3, 0.3)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.2, 0.2)
        model.eval()
        x = torch.from_numpy(sample((1, *shape)))
        path = folder / f"onnx_{name}.onnx"
        options = {"external_data": False} if dynamo else {"do_constant_folding": False, "dynamic_axes": {"scan": [0]}}
        torch.onnx.export(
            model, (x,), path, input_names=["scan"], output_names=["scores"], opset_version=opset, dynamo=dynamo, **options
        )
        model_proto = onnx.load(path)
        # Names of the machine's source files, which the exporter notes at every node.
        for node in model_proto.graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        del model_proto.graph.value_info[:]
        onnx.checker.check_model(model_proto)
        onnx.save(model_proto, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (scores,) = session.run(None, {"scan": x.numpy()})
        expected[name] = {"input": list(shape), "scores": scores[0].ravel().tolist()}
        print(name, path.stat().st_size, scores.shape, sorted({n.op_type for n in model_proto.graph.node}))
    (folder / "onnx.json").write_text(json.dumps(expected, indent=1) + "\n")


main(pathlib.Path(sys.argv[1]))
