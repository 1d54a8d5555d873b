"""Runs published weights on stored pictures, through `cnnc run`, and compares with stored results.

usage: python tests/parity/published.py PATH_OF_CNNC FOLDER [NAME...]

FOLDER has a folder for each NAME with NAME.safetensors (weights), and golden.safetensors (`input`, `logits`) made by another engine.
Weights load by name; outputs must agree within 1e-3 of the largest. Exit code 1 where something is off.
"""
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

NETS = {  # name: (spec, values of its parameters)
    "squeezenet1_0": ("squeezenet", ["size=227", "border=1"]),
    "resnet20_cifar10": ("resnet20", []),
    "resnet56_cifar10": ("resnet56", []),
}


def compare(cnnc, folder, name):
    spec, values = NETS[name]
    golden = load_file(folder / name / "golden.safetensors")
    image, wanted = golden["input"].contiguous(), golden["logits"]
    with tempfile.TemporaryDirectory() as scratch:
        given, answer = f"{scratch}/x.safetensors", f"{scratch}/y.safetensors"
        save_file({"image": image, "label": torch.zeros(len(image), dtype=torch.int32)}, given)
        run = [cnnc, "run", spec, *[a for v in values for a in ("--set", v)], "--input", given, "--output", answer]
        subprocess.run([*run, "--weights", folder / name / f"{name}.safetensors"], check=True)
        got = load_file(answer)["logits"]
    off = ((got - wanted).abs().max() / wanted.abs().max()).item()
    same = torch.equal(got.topk(5).indices, wanted.topk(5).indices)
    good = off <= 1e-3 and same
    print(f"{name:18} outputs {off:.1e}, first five {'the same' if same else 'differ'}{'' if good else '   OFF'}", flush=True)
    return good


def main():
    cnnc, folder, *wanted = sys.argv[1:]
    results = [compare(cnnc, pathlib.Path(folder), name) for name in wanted or NETS]
    sys.exit(0 if all(results) else 1)


main()
