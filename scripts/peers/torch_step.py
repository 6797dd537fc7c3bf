"""Time of a training step in PyTorch on the CPU, as one line of JSON.

Takes what `trainer describe --json` prints on standard input, so that the network is the same.
"""

import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn

DROPOUT = 0.5


def layer(channels_in, channels, kernel, stride, padding):
    """Convolution, batch norm, ReLU."""
    before, after = padding
    pad = [] if before == after else [nn.ConstantPad1d(padding, 0.0)]
    own = before if before == after else 0
    conv = nn.Conv1d(channels_in, channels, kernel, stride=stride, padding=own)
    return [*pad, conv, nn.BatchNorm1d(channels), nn.ReLU()]


def network(description):
    """The network of a description, checked against its number of parameters."""
    arch = description["arch"]
    stem = arch["stem"]
    layers = layer(1, stem["channels"], stem["kernel"], stem["stride"], (0, 0))
    channels = stem["channels"]
    for block in arch["blocks"]:
        kernel = block["kernel"]
        padding = ((kernel - 1) // 2, kernel // 2)
        layers += layer(channels, block["channels"], kernel, 1, padding)
        layers.append(nn.MaxPool1d(block["pool"]))
        channels = block["channels"]
    layers += layer(channels, arch["head"]["channels"], 1, 1, (0, 0))
    features = description["layers"][-1]["in_channels"]
    layers += [nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(features, arch["classes"])]
    net = nn.Sequential(*layers)
    params = sum(p.numel() for p in net.parameters())
    if params != description["params"]:
        sys.exit(f"error: PyTorch's network has {params} parameters, "
                 f"Auricle's {description['params']}")
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--batch", "--steps", "--threads"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    description = json.load(sys.stdin)
    arch = description["arch"]
    net = network(description).train()
    # The fastest of PyTorch's implementations of AdamW on the CPU.
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    windows = torch.rand(args.batch, 1, arch["window"]) - 0.5
    targets = torch.arange(args.batch) % arch["classes"]
    times_ms = []
    for _ in range(1 + args.steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(windows), targets).backward()
        optimizer.step()
        times_ms.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"ms_per_step": statistics.median(times_ms[1:])}))


if __name__ == "__main__":
    main()
