"""Latency of a model in ONNX Runtime on one thread, as one line of JSON."""

import json
import sys
import time

import numpy as np
import onnxruntime as ort

# As many as `runtime bench` runs before it measures.
WARM_UP_RUNS = 10


def main():
    model, runs = sys.argv[1], int(sys.argv[2])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    window = np.random.default_rng(1).uniform(-0.1, 0.1, (1, 1, given.shape[2]))
    feed = {given.name: window.astype(np.float32)}
    times_ms = []
    for _ in range(WARM_UP_RUNS + runs):
        start = time.perf_counter()
        session.run(None, feed)
        times_ms.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"window_median_ms": float(np.median(times_ms[WARM_UP_RUNS:]))}))


if __name__ == "__main__":
    main()
