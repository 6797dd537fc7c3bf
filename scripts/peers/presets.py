"""Models of presets to measure, hardly trained: what they cost does not depend on the weights."""

import array
import json
import math
import random
import subprocess
import sys
import wave

# Of the data set; the trainer brings it to each network's own rate.
RATE_HZ = 16_000


class Failure(Exception):
    """What is wrong, in one line."""


def call(command, **options):
    """Runs a program and returns what it prints."""
    command = [str(part) for part in command]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise Failure(f"{' '.join(command[:3])}: {lines[-1].removeprefix('error: ')}")
    return run.stdout


def call_json(command, **options):
    return json.loads(call(command, **options))


def write_wav(path, rate_hz, samples):
    """Writes samples in -1 to 1 as 16 bit, mono, with the plain header of 44 bytes."""
    levels = array.array("h", (int(32767 * sample) for sample in samples))
    if sys.byteorder == "big":
        levels.byteswap()
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, rate_hz, len(levels), "NONE", ""))
        wav.writeframes(levels.tobytes())


def make_data(folder):
    """A data set of four classes of ten noisy tones: enough to get weights from."""
    rng = random.Random(0)
    for name, tone_hz in (("low", 200), ("middle", 700), ("high", 2500), ("highest", 6000)):
        (folder / name).mkdir(parents=True)
        for take in range(10):
            tone = (0.3 * math.sin(2 * math.pi * tone_hz * t / RATE_HZ) for t in range(RATE_HZ))
            write_wav(folder / name / f"{take}.wav", RATE_HZ, (s + rng.uniform(-0.1, 0.1) for s in tone))


def make_model(trainer, preset, data, folder):
    """Writes `model.onnx`, and beside it `model.q8` where the network has an integer form."""
    run, out = folder / f"{preset}-run", folder / preset
    call([trainer, "fit", "--quiet", "--device", "cpu", "--data", data, "--preset", preset,
          "--epochs", 1, "--batch", 16, "--out", run])
    call([trainer, "export", run, "--out", out])
    return out / "model.onnx"


def sample_rate_hz(runtime, model):
    """The rate that a model hears."""
    return call_json([runtime, "bench", model, "--runs", 1, "--format", "json"])["sample_rate_hz"]
