"""Milliseconds a window of ONNX Runtime with static int8 quantisation (QDQ, u8 activations, s8 weights for each
output channel), on one thread.

    python ort_int8_latency.py MODEL.onnx RUNS

The quantised model is kept beside the given one, so that it is made only once.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Noise(CalibrationDataReader):
    """A few windows of noise: the speed does not depend on the ranges."""

    def __init__(self, window):
        generator = numpy.random.default_rng(0)
        windows = [generator.normal(0, 0.1, (1, 1, window)).astype(numpy.float32) for _ in range(4)]
        self.windows = iter([{"waveform": samples} for samples in windows])

    def get_next(self):
        return next(self.windows, None)


def quantised(path):
    target = path.with_suffix(".int8.onnx")
    if not target.exists():
        window = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[2].dim_value
        prepared = path.with_suffix(".prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, target, Noise(window), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return target


def main():
    path, runs = Path(sys.argv[1]), int(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(quantised(path), options, providers=["CPUExecutionProvider"])
    window = session.get_inputs()[0].shape[2]
    samples = numpy.random.default_rng(1).normal(0, 0.1, (1, 1, window)).astype(numpy.float32)
    times = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        session.run(None, {"waveform": samples})
        times.append(1000 * (time.perf_counter() - start))
    print(statistics.median(times[3:]))


if __name__ == "__main__":
    main()
