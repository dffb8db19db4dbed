"""Judges the files of test/reference/onnx-export.ts: onnx's checker accepts them, and onnxruntime gives our numbers.

Needs onnx, onnxruntime and numpy. Run: python test/reference/onnx_export.py FOLDER
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

worst = 0.0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    case = json.loads(path.with_suffix(".json").read_text())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    scan = np.array(case["scan"], np.float32).reshape(case["shape"])
    (found,) = session.run(None, {"scan": scan})
    wanted = np.array(case["scores"]).reshape(found.shape)
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    worst = max(worst, error)
    print(f"{path.name}: relative difference {error:.2e}")
if not worst < 1e-4:
    sys.exit(f"the largest difference is {worst}")
