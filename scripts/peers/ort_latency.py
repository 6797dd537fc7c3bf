"""Time of a model in ONNX Runtime on one thread, as one line of JSON.

    python ort_latency.py MODEL.onnx RUNS RECORDING.wav HOP [--int8]

Takes windows of the recording (WAV, 16 bit, mono, at the model's rate), one every HOP samples, from its beginning again
when it is over. With --int8 after static quantisation (QDQ, u8 activations, s8 weights for each output channel); that
model is kept beside the given one, so that it is made only once.
"""

import argparse
import json
import sys
import time
import wave
from pathlib import Path

import numpy as np
import onnxruntime as ort

# As many as `runtime bench` runs before it measures.
WARM_UP_RUNS = 10
# Windows that the ranges of the int8 model are taken from: the speed does not depend on them.
CALIBRATION_WINDOWS = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("recording")
    parser.add_argument("hop", type=int)
    parser.add_argument("--int8", action="store_true")
    return parser.parse_args()


def session_of(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def windows_of(recording, window, hop, count):
    """So many windows [1, 1, window] of a recording."""
    with wave.open(recording, "rb") as wav:
        sound = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.float32) / 32768
    places = len(sound) - window + 1
    if places < 1:
        sys.exit(f"error: {recording}: shorter than a window of {window} samples")
    starts = [index * hop % places for index in range(count)]
    return [sound[start:start + window].reshape(1, 1, window) for start in starts]


def quantised(path, feeds):
    """The file of the model in int8."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Feeds(CalibrationDataReader):
        def __init__(self):
            self.feeds = iter(feeds[:CALIBRATION_WINDOWS])

        def get_next(self):
            return next(self.feeds, None)

    target = path.with_suffix(".int8.onnx")
    if not target.exists():
        prepared = path.with_suffix(".prepared.onnx")
        quant_pre_process(path, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, target, Feeds(), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return target


def main():
    args = arguments()
    session = session_of(args.model)
    given = session.get_inputs()[0]
    windows = windows_of(args.recording, given.shape[2], args.hop, WARM_UP_RUNS + args.runs)
    feeds = [{given.name: window} for window in windows]
    if args.int8:
        session = session_of(quantised(args.model, feeds))
    for feed in feeds[:WARM_UP_RUNS]:
        session.run(None, feed)
    times_ms = []
    before = time.process_time()
    for feed in feeds[WARM_UP_RUNS:]:
        start = time.perf_counter()
        session.run(None, feed)
        times_ms.append(1000 * (time.perf_counter() - start))
    cpu_ms = 1000 * (time.process_time() - before) / args.runs
    print(json.dumps({"window_median_ms": float(np.median(times_ms)), "window_cpu_ms": cpu_ms}))


if __name__ == "__main__":
    main()
