"""Measures Auricle against ONNX Runtime, rten and PyTorch. Called by scripts/bench-peers.

Each program measures for itself in a process of its own, ours and theirs in turn.
"""

import argparse
import array
import importlib.metadata
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

HERE = Path(__file__).parent
RATE_HZ = 16_000
CLASSES = 31
BATCH = 16


class Failure(Exception):
    """What is wrong, in one line."""


def arguments():
    def count(text):
        number = int(text)
        if number < 1:
            raise ValueError
        return number

    parser = argparse.ArgumentParser(prog="scripts/bench-peers", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("latency", "streaming"), default="latency",
                        help="windows and training steps, or streams (default: %(default)s)")
    parser.add_argument("--rten", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bin", type=Path, required=True, help=argparse.SUPPRESS)
    for name, default, text in (
        ("--rounds", 5, "measurements of each side, in turn"),
        ("--runs", 50, "windows a measurement of latency"),
        ("--steps", 5, "steps a measurement of training"),
        ("--threads", 2, "threads for training"),
    ):
        parser.add_argument(name, type=count, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument("--presets", default="small,samplecnn-speech",
                        help="networks to measure (default: %(default)s)")
    parser.add_argument("--without-torch", action="store_true", help="do not measure training")
    return parser.parse_args()


def call(command, **options):
    """Runs a program and returns what it prints."""
    command = [str(part) for part in command]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise Failure(f"{' '.join(command[:3])}: {lines[-1]}")
    return run.stdout


def call_json(command, **options):
    return json.loads(call(command, **options))


def make_data(folder):
    """A data set of four classes of ten noisy tones: enough to get weights from."""
    rng = random.Random(0)
    for name, tone_hz in (("low", 200), ("middle", 700), ("high", 2500), ("highest", 6000)):
        (folder / name).mkdir(parents=True)
        for take in range(10):
            wave_at = [0.3 * math.sin(2 * math.pi * tone_hz * t / RATE_HZ) for t in range(RATE_HZ)]
            levels = [int(32767 * (s + rng.uniform(-0.1, 0.1))) for s in wave_at]
            samples = array.array("h", levels)
            if sys.byteorder == "big":
                samples.byteswap()
            with wave.open(str(folder / name / f"{take}.wav"), "wb") as wav:
                wav.setparams((1, 2, RATE_HZ, len(samples), "NONE", ""))
                wav.writeframes(samples.tobytes())


def make_model(trainer, preset, data, folder):
    """A hardly trained model: latency does not depend on the weights."""
    run, out = folder / f"{preset}-run", folder / preset
    call([trainer, "fit", "--quiet", "--device", "cpu", "--data", data, "--preset", preset,
          "--epochs", "1", "--batch", BATCH, "--out", run])
    call([trainer, "export", run, "--out", out])
    return out / "model.onnx"


def latency(args, model):
    """Pairs of a window's latency, ours and theirs, in ms."""
    ours = [args.bin / "runtime", "bench", model, "--runs", args.runs, "--format", "json"]
    theirs = [sys.executable, HERE / "ort_latency.py", model, args.runs]
    for _ in range(args.rounds):
        yield (call_json(ours)["window_median_ms"], call_json(theirs)["window_median_ms"])


# Samples between two windows: about 7 and about 22 decisions a second.
HOPS = (2187, 729)
# The networks and what runs them: name, how much it computes, milliseconds a decision.
STREAMS = "shared f32", "whole f32", "ONNX Runtime", "rten", "shared int8", "ONNX Runtime int8"


def for_rten(model):
    """The same model as ONNX's own library writes it: rten reads lists of numbers only unpacked."""
    import onnx

    path = model.with_suffix(".rten.onnx")
    onnx.save(onnx.load(model), path)
    return path


def streaming(args, model, hop):
    """Milliseconds a decision of each of STREAMS, a row a round."""
    def ours(path):
        return call_json([args.bin / "runtime", "bench", path, "--runs", args.runs, "--hop",
                          1000 * hop / RATE_HZ, "--format", "json"])

    def ort(script):
        return [sys.executable, HERE / script, model, args.runs]

    for _ in range(args.rounds):
        floats, integers = ours(model), ours(model.with_suffix(".q8"))
        if floats["hop_samples"] != hop:
            raise Failure(f"{model}: no hop of {hop} samples")
        rten = call_json([args.rten, for_rten(model), args.runs])["window_median_ms"] if args.rten else None
        yield (floats["hop_median_ms"], floats["window_median_ms"],
               call_json(ort("ort_latency.py"))["window_median_ms"], rten,
               integers["hop_median_ms"], float(call(ort("ort_int8_latency.py"))))


def show_streams(args, preset, model):
    for hop in HOPS:
        decisions = RATE_HZ / hop
        rounds = list(zip(*streaming(args, model, hop), strict=True))
        print(f"\n{preset}, {decisions:.1f} decisions a second")
        shares = {}
        for name, times in zip(STREAMS, rounds, strict=True):
            if times[0] is None:
                continue
            # Milliseconds a decision, and of a second's work in thousandths of a second.
            shares[name] = statistics.median(times)
            print(f"  {name:<18} {shares[name]:>8.3f} ms a decision  "
                  f"{shares[name] * decisions:>8.2f} ms of a processor a second of audio  "
                  f"({min(times):.3f} to {max(times):.3f})")
        peers = {name: shares[name] for name in ("ONNX Runtime", "rten") if name in shares}
        fastest = min(peers, key=peers.get)
        int8 = shares["shared int8"] / shares["ONNX Runtime int8"]
        print(f"  shared f32 takes 1/{peers[fastest] / shares['shared f32']:.1f} of {fastest}, "
              f"shared int8 1/{1 / int8:.1f} of ONNX Runtime int8", flush=True)


def training(args, preset):
    """Pairs of a training step's time, ours and theirs, in ms."""
    describe = [args.bin / "trainer", "describe", preset, "--classes", CLASSES, "--json"]
    description = call(describe)
    common = ["--batch", BATCH, "--steps", args.steps, "--threads", args.threads]
    ours = [args.bin / "trainer", "bench", preset, "--classes", CLASSES, "--layers", "fused",
            "--format", "json", *common]
    theirs = [sys.executable, HERE / "torch_step.py", *common]
    for _ in range(args.rounds):
        yield (call_json(ours)["fused"]["ms_per_step"],
               call_json(theirs, input=description)["ms_per_step"])


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def show_machine(args):
    print(f"machine   {processor()}, {os.cpu_count()} cores, {platform.system()} "
          f"{platform.machine()}")
    if hasattr(os, "getloadavg"):
        print(f"load      {os.getloadavg()[0]:.2f} before the measurement (0 is best)")
    own = [call([args.bin / name, "--version"]).strip() for name in ("runtime", "trainer")]
    if args.rten:
        own.append("rten " + (HERE / "rten/Cargo.toml").read_text().split('rten = "=')[1].split('"')[0])
    packages = [f"{name} {version(name)}" for name in ("onnxruntime", "torch") if version(name)]
    print(f"versions  {', '.join(own + packages)}, Python {platform.python_version()}\n")


HEADER = f"{'':<18} {'Auricle ms':>11} {'theirs ms':>11} {'ours/theirs':>12}   ratio of single rounds"


def show_row(name, pairs):
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    print(f"{name:<18} {ours:>11.3f} {theirs:>11.3f} {ours / theirs:>12.2f}   "
          f"{ratios[0]:.2f} to {ratios[-1]:.2f}", flush=True)


def main():
    args = arguments()
    presets = args.presets.split(",")
    show_machine(args)
    trainer = args.bin / "trainer"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_data(folder / "data")
        models = [make_model(trainer, preset, folder / "data", folder) for preset in presets]
        if args.what == "streaming":
            print(f"Streams on one thread: what windows share against whole windows "
                  f"(medians of {args.rounds} rounds of {args.runs} windows, lowest to highest)")
            for preset, model in zip(presets, models, strict=True):
                show_streams(args, preset, model)
            return
        print(f"Latency of a window on one thread, against ONNX Runtime "
              f"({args.rounds} rounds of {args.runs} windows)")
        print(HEADER, flush=True)
        for preset, model in zip(presets, models, strict=True):
            show_row(preset, list(latency(args, model)))
    print(f"\nTraining step of {BATCH} windows on {args.threads} threads of the CPU, against "
          f"PyTorch ({args.rounds} rounds of {args.steps} steps)")
    if args.without_torch:
        print("left out: --without-torch")
    elif version("torch") is None:
        print("left out: PyTorch is not installed (scripts/peers/requirements.txt)")
    else:
        print(HEADER, flush=True)
        for preset in presets:
            show_row(preset, list(training(args, preset)))
    print("\nMedians; below 1 Auricle is the faster one.")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
