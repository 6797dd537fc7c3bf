"""Checks an exported model with ONNX's own tools.

The file must pass ONNX's checker, and the posteriors that `runtime` prints must be those of ONNX
Runtime on the same windows. Recordings must be WAV, 16 bit, mono, at the model's rate.
"""

import argparse
import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

# Windows that ONNX Runtime takes at a time.
BATCH = 16


class Failure(Exception):
    """What is wrong, in one line."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", required=True, help="the program `runtime`")
    parser.add_argument("--tolerance", type=float, default=1e-4,
                        help="largest difference of a posterior (default: %(default)s)")
    parser.add_argument("model", type=Path, help="an exported model")
    parser.add_argument("wav", type=Path, nargs="+", help="recordings or folders of them")
    return parser.parse_args()


def recordings(paths):
    """The given files, and all WAV files below the given folders."""
    found = []
    for path in paths:
        if path.is_dir():
            found.extend(sorted(path.rglob("*.wav")))
        else:
            found.append(path)
    if not found:
        raise Failure(f"{paths[0]}: no WAV files in it")
    return found


def properties(path):
    """Checks the file and returns its Auricle properties without their prefix."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # The checker's errors have no common class.
        reason = " ".join(str(error).split())
        raise Failure(f"{path}: not valid ONNX: {reason}") from error
    prefix = "auricle."
    found = {p.key.removeprefix(prefix): p.value
             for p in model.metadata_props if p.key.startswith(prefix)}
    for name in ("labels", "sample_rate_hz", "window", "decision"):
        if name not in found:
            raise Failure(f"{path}: lacks the property {prefix}{name}; is it an Auricle model?")
    return found


def samples(path, rate_hz):
    """The recording's samples in -1 to 1."""
    try:
        with wave.open(str(path), "rb") as wav:
            form = (wav.getnchannels(), wav.getsampwidth(), wav.getframerate())
            data = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise Failure(f"{path}: cannot be read as WAV: {error or 'it ends too early'}") from error
    if form != (1, 2, rate_hz):
        raise Failure(f"{path}: must be 16 bit, mono, {rate_hz} Hz")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def ours(runtime, model, wav, labels):
    """What `runtime` prints: the end of every window, and posteriors [windows, classes]."""
    command = [runtime, "stream", "--model", model, wav, "--posteriors", "--format", "json"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"{runtime}: {error.strerror}") from error
    if run.returncode != 0:
        raise Failure(f"{wav}: runtime failed: {' '.join(run.stderr.split())}")
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    windows = [line for line in lines if "posteriors" in line]
    for window in windows:
        if list(window["posteriors"]) != labels:
            raise Failure(f"{wav}: runtime prints other labels than the model has")
    posteriors = [list(window["posteriors"].values()) for window in windows]
    ends = [window["window_end_sample"] for window in windows]
    return ends, np.array(posteriors, np.float32).reshape(-1, len(labels))


def theirs(session, sound, ends, window):
    """ONNX Runtime's posteriors [windows, classes]."""
    results = [np.empty((0, session.get_outputs()[0].shape[1]), np.float32)]
    for start in range(0, len(ends), BATCH):
        batch = np.stack([sound[end - window:end] for end in ends[start:start + BATCH]])
        results.append(session.run(None, {"waveform": batch[:, None, :]})[0])
    return np.concatenate(results)


def main():
    args = arguments()
    props = properties(args.model)
    labels, window = json.loads(props["labels"]), int(props["window"])
    hop = json.loads(props["decision"])["hop"]
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    count, largest = 0, 0.0
    paths = recordings(args.wav)
    for path in paths:
        sound = samples(path, int(props["sample_rate_hz"]))
        expected = list(range(window, len(sound) + 1, hop))
        ends, found = ours(args.runtime, args.model, path, labels)
        if ends != expected:
            raise Failure(f"{path}: runtime sees {len(ends)} windows {ends[:3]}…, "
                          f"there are {len(expected)} {expected[:3]}…")
        reference = theirs(session, sound, ends, window)
        for end, one, other in zip(ends, found, reference, strict=True):
            difference = np.abs(one - other)
            # Also true for what is not a number.
            if not np.all(difference <= args.tolerance):
                at = int(np.argmax(difference))
                raise Failure(f"{path}: window up to sample {end}: `{labels[at]}` is "
                              f"{one[at]:.6f} by runtime, {other[at]:.6f} by ONNX Runtime")
            largest = max(largest, float(difference.max()))
        count += len(ends)
    if count == 0:
        raise Failure(f"{paths[0]}: no recording is as long as a window ({window} samples)")
    print(f"{args.model}: valid ONNX; runtime agrees with ONNX Runtime "
          f"{onnxruntime.__version__} on {count} windows of {len(paths)} recordings "
          f"(largest difference {largest:.1e})")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
