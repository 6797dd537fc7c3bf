"""Compares exported networks, run by ONNX Runtime, with what they computed before.

Each file must pass ONNX's checker. Beside MODEL.onnx lie MODEL.windows, what to run it on, and
MODEL.posteriors, what the network made of it: 32-bit floats, little-endian, one row a window.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


class Failure(Exception):
    """What is wrong, in one line."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, default=1e-4,
                        help="largest difference of a posterior (default: %(default)s)")
    parser.add_argument("model", type=Path, nargs="+", help="an exported model")
    return parser.parse_args()


def load(path):
    """A session on one thread for a file that the checker accepts."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # Neither library's errors have a common class.
        raise Failure(f"{path.stem}: not valid ONNX: {' '.join(str(error).split())}") from error


def rows(path, width):
    """Numbers of a file [rows, width]."""
    try:
        numbers = np.fromfile(path, "<f4")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    if numbers.size == 0 or numbers.size % width != 0:
        raise Failure(f"{path}: {numbers.size} numbers are no rows of {width}")
    return numbers.reshape(-1, width)


def largest_difference(path, tolerance):
    """Largest difference of a posterior, which is within the tolerance."""
    session = load(path)
    windows = rows(path.with_suffix(".windows"), session.get_inputs()[0].shape[2])
    expected = rows(path.with_suffix(".posteriors"), session.get_outputs()[0].shape[1])
    if len(windows) != len(expected):
        raise Failure(f"{path.stem}: {len(windows)} windows, but posteriors of {len(expected)}")
    largest = 0.0
    for number, (window, row) in enumerate(zip(windows, expected, strict=True)):
        found = session.run(None, {"waveform": window[None, None, :]})[0][0]
        difference = np.abs(found - row)
        # Also true for what is not a number.
        if not np.all(difference <= tolerance):
            at = int(np.argmax(difference))
            raise Failure(f"{path.stem}: window {number}, class {at}: {row[at]:.6f} by the "
                          f"network, {found[at]:.6f} by ONNX Runtime")
        largest = max(largest, float(difference.max()))
    return largest


def main():
    args = arguments()
    for path in args.model:
        largest = largest_difference(path, args.tolerance)
        print(f"{path.stem}: ONNX Runtime differs by {largest:.1e} at most")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
