"""Compares names and shapes of all weights, and the counts of docs/networks.md, with PyTorch's.

usage: python tests/parity/counts.py PATH_OF_CNNC [NAME...]

Needs torch and torchvision; nothing is computed (tensors are on the device `meta`). Parameters are what PyTorch has as such, so
running statistics do not count; multiply-adds are those of convolutions and dense layers, seen by hooks. The table must have
the same numbers as `cnnc summary`. Exit code 1 where something is off.
"""
import json
import pathlib
import subprocess
import sys

import torch
from torch import nn

import detectors
import faces
import pictures
import twins
from layers import LocalConv

TWINS = twins.TWINS | pictures.TWINS | faces.TWINS | detectors.TWINS
ROOT = pathlib.Path(__file__).parents[2]
TABLE = ROOT / "docs" / "networks.md"
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def macs(net, inputs):
    """Multiply-adds of one image: those of layers, and what a twin says of functions it calls."""
    total = 0

    def count(layer, given, result):
        nonlocal total
        if isinstance(layer, CONVOLUTIONS):
            total += result.numel() * layer.weight[0].numel()
        elif isinstance(layer, TRANSPOSED):
            total += given[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, LocalConv):
            total += layer.weight.numel()
        else:
            total += result.numel() * layer.in_features

    for layer in net.modules():
        if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED, LocalConv, nn.Linear)):
            layer.register_forward_hook(count)
    net(*inputs)
    return total + getattr(net, "functional_macs", 0)


def published():
    """Parameters and multiply-adds by spec, of the table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    rows = [(row[0].strip("`"), *[cell.replace(",", "") for cell in row[2:4]]) for row in rows]
    return {name: (int(params), int(macs)) for name, params, macs in rows if params.isdigit()}


def compare(cnnc, name, table):
    twin = TWINS[name]
    settings = [word for setting in twin.settings for word in ("--set", setting)]
    command = [cnnc, "summary", *name.split(), *settings, "--json"]
    summary = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    with torch.device("meta"), torch.no_grad():
        net = twin.make().eval()
        inputs = [torch.empty(1, *given["shape"]) for given in summary["inputs"]]
        state = {k: list(v.shape) for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
        counted = sum(p.numel() for p in net.parameters()), macs(net, inputs)
    ours = {p["name"]: p["shape"] for p in summary["parameters"]}
    wrong = [f"{k}: {state.get(k)} is {ours.get(k)}" for k in {**state, **ours} if state.get(k) != ours.get(k)]
    found = summary["params"], summary["macs"]
    if found != counted:
        wrong.append(f"(parameters, multiply-adds) {counted} are {found}")
    if " " not in name and table.get(name) != found:  # With options, it is not the network of the table.
        wrong.append(f"the table has {table.get(name)}, not {found}")
    print(f"{name:52} {found[0]:>12,} {found[1]:>16,}", "; ".join(wrong[:5]) and "OFF: " + "; ".join(wrong[:5]), flush=True)
    return not wrong


def main():
    cnnc, *wanted = sys.argv[1:]
    table = published()
    sys.exit(0 if all([compare(cnnc, name, table) for name in wanted or TWINS]) else 1)


main()
