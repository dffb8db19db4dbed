"""Makes test/fixtures/model/onnx_operators.json: single operators in the manner of the ONNX project's node tests (weights are
inputs of the graph), small inputs, and what onnxruntime gives.

Needs onnx, onnxruntime and numpy. Run: python test/reference/onnx_operators.py test/fixtures/model/onnx_operators.json
"""

import base64
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

class Floats(np.ndarray):
    """Values by a formula that the test knows as well, so that the fixture need not hold them."""

    recipe = None


seeds = iter(range(1, 1000))


def floats(*shape, low=-1.0, high=1.0):
    seed = next(seeds)
    k = np.arange(int(np.prod(shape)), dtype=np.int64)
    steps = (k * 7919 + seed * 613) % 1009
    array = (low + (high - low) * steps / 1008).astype(np.float32).reshape(shape).view(Floats)
    array.recipe = {"shape": list(shape), "seed": seed, "low": low, "high": high}
    return array


def number(value):
    return np.array(value, np.float32)


def ints(*values):
    return np.array(values, np.int64)


volume = (1, 4, 4, 3, 5)
cases = []


def case(title, operator, inputs, opset=18, outputs=1, **attributes):
    """`inputs` are arrays, or None for one that is left out."""
    names = ["" if a is None else f"i{k}" for k, a in enumerate(inputs)]
    results = [f"o{k}" for k in range(outputs)]
    node = helper.make_node(operator, names, results, **attributes)
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    values = [
        helper.make_tensor_value_info(n, kinds[a.dtype], a.shape) for n, a in zip(names, inputs) if a is not None
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.INT64 if operator == "ArgMax" else TensorProto.FLOAT, None) for n in results]
    graph = helper.make_graph([node], "one", values, ends)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 19 else 10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {n: np.asarray(a) for n, a in zip(names, inputs) if a is not None}
    found = session.run(None, given)
    array = lambda a: getattr(a, "recipe", None) or {"shape": list(a.shape), "integer": a.dtype != np.float32, "data": [float(f"{v:.6g}") for v in a.ravel().tolist()]}
    cases.append(
        {
            "title": title,
            "model": base64.b64encode(model.SerializeToString()).decode(),
            "inputs": [array(a) for a in inputs if a is not None],
            "outputs": [array(a) for a in found],
        }
    )


x = floats(*volume)
case("Conv dilated, strided, with asymmetric padding", "Conv", [floats(2, 4, 4, 3, 5), floats(3, 4, 2, 2, 3), floats(3)], strides=[1, 2, 1], dilations=[2, 1, 2], pads=[1, 0, 2, 0, 1, 1])
case("Conv in groups", "Conv", [x, floats(6, 2, 3, 3, 3)], group=2, pads=[1] * 6)
case("Conv depthwise, SAME_LOWER", "Conv", [x, floats(4, 1, 2, 3, 2)], group=4, auto_pad="SAME_LOWER", strides=[2, 1, 2])
case("Conv of two axes", "Conv", [floats(1, 2, 5, 6), floats(3, 2, 3, 3), floats(3)], strides=[2, 1], pads=[1, 1, 1, 1])
case("Conv of one axis", "Conv", [floats(1, 2, 9), floats(3, 2, 3)], dilations=[2])
small = floats(1, 4, 3, 2, 3)
case("ConvTranspose with output padding", "ConvTranspose", [small, floats(4, 2, 3, 3, 3), floats(2)], strides=[2, 3, 2], pads=[1] * 6, output_padding=[1, 2, 0])
case("ConvTranspose to an output shape", "ConvTranspose", [small, floats(4, 2, 3, 2, 3)], strides=[3, 2, 2], output_shape=[8, 4, 6])
case("ConvTranspose to an output shape beyond the full one", "ConvTranspose", [small, floats(4, 2, 3, 2, 3)], strides=[3, 2, 2], output_shape=[10, 5, 8])
case("ConvTranspose in groups, dilated", "ConvTranspose", [small, floats(4, 3, 2, 2, 2)], group=2, dilations=[2, 1, 2], pads=[0, 1, 1, 1, 0, 0])
case("ConvTranspose SAME_UPPER", "ConvTranspose", [small, floats(4, 1, 3, 3, 3)], strides=[2, 2, 2], auto_pad="SAME_UPPER")
case("MaxPool with padding", "MaxPool", [floats(*volume, low=-2.0, high=-0.5)], kernel_shape=[3, 3, 3], strides=[2, 2, 2], pads=[1] * 6)
case("MaxPool dilated", "MaxPool", [x], kernel_shape=[2, 2, 2], dilations=[3, 2, 2], strides=[1, 1, 2])
case("MaxPool rounding up", "MaxPool", [x], kernel_shape=[2, 3, 3], strides=[2, 2, 4], ceil_mode=1)
case("MaxPool SAME_UPPER", "MaxPool", [x], kernel_shape=[2, 3, 2], strides=[2, 2, 1], auto_pad="SAME_UPPER")
case("AveragePool without the padding", "AveragePool", [x], kernel_shape=[3, 2, 3], strides=[2, 1, 2], pads=[1, 0, 1, 1, 1, 1])
case("AveragePool with the padding", "AveragePool", [x], kernel_shape=[3, 2, 3], strides=[2, 1, 2], pads=[1, 0, 1, 1, 1, 1], count_include_pad=1)
case("AveragePool rounding up", "AveragePool", [x], kernel_shape=[2, 3, 3], strides=[2, 2, 4], ceil_mode=1)
case("AveragePool SAME_UPPER", "AveragePool", [x], kernel_shape=[2, 3, 2], strides=[2, 2, 2], auto_pad="SAME_UPPER")
case("AveragePool dilated, with the padding", "AveragePool", [x], opset=19, kernel_shape=[2, 2, 3], dilations=[2, 2, 2], pads=[1, 0, 1, 0, 1, 1], count_include_pad=1)
case("AveragePool dilated, without the padding", "AveragePool", [x], opset=19, kernel_shape=[2, 2, 3], dilations=[2, 2, 2], pads=[1, 0, 1, 0, 1, 1])
case("GlobalAveragePool", "GlobalAveragePool", [x])
case("GlobalMaxPool", "GlobalMaxPool", [x])
for opset in (7, 9, 15):
    case(f"BatchNormalization of operator set {opset}", "BatchNormalization", [x, floats(4), floats(4), floats(4), floats(4, low=0.1)], opset=opset, epsilon=1e-2, momentum=0.7)
case("InstanceNormalization", "InstanceNormalization", [x, floats(4), floats(4)], epsilon=1e-3)
case("GroupNormalization", "GroupNormalization", [x, floats(4), floats(4)], opset=21, num_groups=2)
case("LayerNormalization over two axes", "LayerNormalization", [x, floats(3, 5), floats(3, 5)], axis=-2, epsilon=1e-3)
row = floats(3, 5, low=-3, high=3)
case("PRelu, one slope a channel", "PRelu", [x, floats(4, 1, 1, 1)])
case("PRelu, slopes of voxels", "PRelu", [x, floats(3, 5)])
case("Elu", "Elu", [row], alpha=0.7)
case("Celu", "Celu", [row], alpha=0.7)
case("Selu", "Selu", [row])
case("LeakyRelu", "LeakyRelu", [row], alpha=0.3)
case("HardSigmoid", "HardSigmoid", [row], alpha=0.3, beta=0.4)
case("HardSwish", "HardSwish", [floats(3, 5, low=-5.0, high=5.0)])
case("Gelu", "Gelu", [row], opset=20)
case("Gelu by tanh", "Gelu", [row], opset=20, approximate="tanh")
case("Mish", "Mish", [row])
case("Softplus", "Softplus", [number([-99, -88, -20, -5, -0.1, 0, 1e-3, 4, 20, 88, 99]).reshape(1, 11)])
case("Softsign", "Softsign", [row])
case("Clip with bounds", "Clip", [row, number(-0.5), number(1.5)])
case("Clip with crossed bounds", "Clip", [row, number(1.5), number(-0.5)])
case("Clip from below", "Clip", [row, number(-0.25)])
case("Gemm, both factors", "Gemm", [row, floats(4, 5), floats(4)], alpha=0.5, beta=-2.0, transB=1)
case("Gemm with a bias of rows and columns", "Gemm", [row, floats(5, 4), floats(3, 4)])
case("MatMul along the last axis", "MatMul", [floats(2, 3, 4), floats(4, 5)])
case("Softmax along the last axis", "Softmax", [x])
case("Softmax along the channels", "Softmax", [x], axis=1)
case("Softmax of operator set 11", "Softmax", [floats(2, 3, 4)], opset=11, axis=1)
case("LogSoftmax along another axis", "LogSoftmax", [x], axis=-2)
case("ArgMax", "ArgMax", [x], axis=1, keepdims=0)
for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"):
    case(f"{name} over the volume", name, [x, ints(2, 3, 4)], keepdims=0)
    case(f"{name} over axes apart", name, [x, ints(1, -2)])
case("Add of volumes", "Add", [x, floats(*volume)])
case("Add broadcast", "Add", [x, floats(4, 1, 5)])
case("Sub from a constant", "Sub", [floats(4, 1, 1, 1), x])
case("Mul broadcast", "Mul", [x, floats(5)])
case("Div of volumes", "Div", [x, floats(*volume, low=0.5)])
case("Pow", "Pow", [x, number(3)])
case("Max", "Max", [x, floats(*volume), floats(5)])
case("Concat", "Concat", [x, floats(1, 3, 4, 3, 5)], axis=1)
case("Transpose", "Transpose", [x], perm=[0, 2, 1, 4, 3])
case("Slice with steps", "Slice", [x, ints(3, 1, -1), ints(0, 3, -7), ints(2, 3, 4), ints(-2, 1, -2)])
case("Pad with a constant", "Pad", [x, ints(0, 0, 1, 0, 2, 0, 0, 0, 3, 1), number(0.5)])
case("Pad by reflection", "Pad", [x, ints(0, 0, 2, 1, 0, 0, 0, 1, 2, 3)], mode="reflect")
case("Pad with the edge", "Pad", [x, ints(0, 0, 2, 1, 0, 0, 0, 1, 2, 3)], mode="edge")
case("Pad by wrapping", "Pad", [x, ints(0, 0, 2, 1, 0, 0, 0, 1, 2, 3)], opset=19, mode="wrap")
one = floats(1, 2, 3, 4, 3)
sizes = ints(1, 2, 5, 3, 7)
for coordinates in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
    case(f"Resize linear, {coordinates}", "Resize", [one, None, None, sizes], mode="linear", coordinate_transformation_mode=coordinates)
for coordinates, rounding in (("half_pixel", "ceil"), ("align_corners", "floor"), ("asymmetric", "round_prefer_ceil"), ("half_pixel", "round_prefer_floor")):
    case(f"Resize nearest, {coordinates}, {rounding}", "Resize", [one, None, None, sizes], mode="nearest", coordinate_transformation_mode=coordinates, nearest_mode=rounding)
case("Resize by scales that make no whole sizes", "Resize", [one, None, number([1, 1, 1.5, 0.6, 2.4])], mode="linear")
case("Upsample", "Upsample", [one, number([1, 1, 2, 1, 3])], opset=9)
case("Tile", "Tile", [one, ints(1, 2, 1, 1, 2)])
case("Expand", "Expand", [floats(1, 3, 1, 2), ints(1, 3, 4, 2)])
case("DepthToSpace", "DepthToSpace", [floats(1, 8, 2, 3)], blocksize=2, mode="CRD")
case("Split", "Split", [x, ints(1, 3)], axis=1, outputs=2)

path = pathlib.Path(sys.argv[1])
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), path.stat().st_size)
