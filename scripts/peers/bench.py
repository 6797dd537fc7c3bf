"""Measures Auricle against ONNX Runtime, rten and PyTorch. Called by scripts/bench-peers.

Each program measures for itself in a process of its own, ours and theirs in turn.
"""

import argparse
import importlib.metadata
import math
import os
import platform
import random
import statistics
import sys
import tempfile
import wave
from pathlib import Path

from presets import Failure, call, call_json, make_data, make_model, sample_rate_hz, write_wav

HERE = Path(__file__).parent
CLASSES = 31
BATCH = 16
# Of the recording that is made where none is given.
SECONDS = 30
# Samples between two windows: about 7 and about 22 decisions a second.
HOPS = (2187, 729)


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
    # Where the user is: relative paths are from there.
    parser.add_argument("--cwd", type=Path, default=Path(), help=argparse.SUPPRESS)
    for name, default, text in (
        ("--rounds", 5, "measurements of each side, in turn"),
        ("--runs", 50, "windows a measurement of latency"),
        ("--steps", 5, "steps a measurement of training"),
        ("--threads", 2, "threads for training"),
    ):
        parser.add_argument(name, type=count, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument("--presets", default="small,samplecnn-speech",
                        help="networks to measure (default: %(default)s)")
    parser.add_argument("--recording", type=Path, metavar="FILE.wav",
                        help="sound that all hear: 16 bit, mono, at the networks' rate (default: tones in noise)")
    parser.add_argument("--without-torch", action="store_true", help="do not measure training")
    return parser.parse_args()


def make_recording(path, rate_hz):
    """Tones of changing loudness in noise, the same every time."""
    rng = random.Random(1)

    def samples():
        for _ in range(SECONDS):
            tone_hz, loudness = rng.uniform(100, 3000), rng.choice((0, 0.01, 0.1, 0.5))
            for at in range(rate_hz):
                yield loudness * math.sin(2 * math.pi * tone_hz * at / rate_hz) + rng.uniform(-0.01, 0.01)

    write_wav(path, rate_hz, samples())


def copy_recording(path, target, rate_hz):
    """The user's recording, with the plain header that all can read."""
    try:
        with wave.open(str(path), "rb") as wav:
            form = (wav.getnchannels(), wav.getsampwidth(), wav.getframerate())
            samples = wav.readframes(wav.getnframes())
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise Failure(f"{path}: cannot be read as WAV: {str(error) or 'it ends too early'}") from error
    if form != (1, 2, rate_hz):
        raise Failure(f"{path}: must be 16 bit, mono, {rate_hz} Hz")
    with wave.open(str(target), "wb") as wav:
        wav.setparams((1, 2, rate_hz, 0, "NONE", ""))
        wav.writeframes(samples)


class Subject:
    """A preset's model, and the recording that everybody hears of it."""

    def __init__(self, args, preset, folder):
        self.preset = preset
        self.model = make_model(args.bin / "trainer", preset, folder / "data", folder)
        self.rate_hz = sample_rate_hz(args.bin / "runtime", self.model)
        self.recording = folder / f"{self.rate_hz}.wav"
        if args.recording:
            copy_recording(args.cwd / args.recording, self.recording, self.rate_hz)
        elif not self.recording.exists():
            make_recording(self.recording, self.rate_hz)


def ours(args, subject, path, hop):
    """What `runtime bench` tells of a file of the model."""
    return call_json([args.bin / "runtime", "bench", path, "--runs", args.runs, "--format", "json",
                      "--hop", 1000 * hop / subject.rate_hz, "--input", subject.recording])


def theirs(program, args, subject, path, hop, *options):
    """What a peer tells of whole windows."""
    return call_json([*program, path, args.runs, subject.recording, hop, *options])


ONNX_RUNTIME = (sys.executable, HERE / "ort_latency.py")


def latency(args, subject):
    """Pairs of a window's latency, ours and theirs, in ms."""
    for _ in range(args.rounds):
        told = (ours(args, subject, subject.model, HOPS[0]),
                theirs(ONNX_RUNTIME, args, subject, subject.model, HOPS[0]))
        yield tuple(side["window_median_ms"] for side in told)


def for_rten(model):
    """The same model as ONNX's own library writes it: rten reads lists of numbers only unpacked."""
    import onnx

    path = model.with_suffix(".rten.onnx")
    onnx.save(onnx.load(model), path)
    return path


def streaming(args, subject, hop):
    """The hop near this one that the runtime takes, and what runs the network: by name milliseconds a decision by the
    clock, and of a processor."""
    def share(told, what):
        return told[f"{what}_median_ms"], told[f"{what}_cpu_ms"]

    model, int8 = subject.model, subject.model.with_suffix(".q8")
    floats = ours(args, subject, model, hop)
    hop = floats["hop_samples"]
    found = {
        "shared f32": share(floats, "hop"),
        "whole f32": share(floats, "window"),
        "ONNX Runtime": share(theirs(ONNX_RUNTIME, args, subject, model, hop), "window"),
    }
    if args.rten:
        found["rten"] = share(theirs([args.rten], args, subject, for_rten(model), hop), "window")
    if int8.exists():
        found["shared int8"] = share(ours(args, subject, int8, hop), "hop")
        integers = theirs(ONNX_RUNTIME, args, subject, model, hop, "--int8")
        found["ONNX Runtime int8"] = share(integers, "window")
    return hop, found


def show_streams(args, subject):
    for wanted in HOPS:
        hops, rounds = zip(*(streaming(args, subject, wanted) for _ in range(args.rounds)), strict=True)
        decisions = subject.rate_hz / hops[0]
        print(f"\n{subject.preset}, {decisions:.1f} decisions a second")
        # Of a processor, by name; not every system tells it.
        spent = {}
        for name in rounds[0]:
            wall_ms, cpu_ms = zip(*(found[name] for found in rounds), strict=True)
            told = "-"
            if None not in cpu_ms:
                spent[name] = statistics.median(cpu_ms) * decisions
                told = f"{spent[name]:.2f}"
            print(f"  {name:<18} {statistics.median(wall_ms):>8.3f} ms a decision "
                  f"({min(wall_ms):.3f} to {max(wall_ms):.3f})  "
                  f"{told:>8} ms of a processor a second of audio")
        compare(spent, "shared f32", ("ONNX Runtime", "rten"))
        compare(spent, "shared int8", ("ONNX Runtime int8",))
        sys.stdout.flush()


def compare(spent, own, peers):
    """Says what share of the fastest peer's processor time ours is."""
    peers = [name for name in peers if name in spent]
    if own in spent and peers:
        fastest = min(peers, key=spent.get)
        less, more = spent[fastest] / spent[own], spent[own] / spent[fastest]
        share = f"1/{less:.1f} of" if less >= 1 else f"{more:.1f} times"
        print(f"  {own} takes {share} the processor time of {fastest}")


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
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_data(folder / "data")
        subjects = [Subject(args, preset, folder) for preset in presets]
        sound = args.recording or "tones in noise"
        if args.what == "streaming":
            print(f"Streams on one thread, {sound}: what windows share against whole windows "
                  f"(medians of {args.rounds} rounds of {args.runs} windows, lowest to highest)")
            for subject in subjects:
                show_streams(args, subject)
            return
        print(f"Latency of a window on one thread, {sound}, against ONNX Runtime "
              f"({args.rounds} rounds of {args.runs} windows)")
        print(HEADER, flush=True)
        for subject in subjects:
            show_row(subject.preset, list(latency(args, subject)))
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
