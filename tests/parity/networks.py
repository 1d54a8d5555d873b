"""Compares networks of specs/ with PyTorch's (twins.py, detectors.py), through `cnnc run`, the weights loaded by name.

usage: python tests/parity/networks.py PATH_OF_CNNC [--gradients] [NAME...]

Needs torch, torchvision, numpy and safetensors. Weights are random (seed 0), running statistics too; outputs must agree within
1e-4 of the largest. Gradients (`--exact`; networks with one output) are compared with PyTorch's in double, beside PyTorch's own in
float: at the kinks of activations and pools rounding decides which slope is right, and deep networks of random weights have many.
Twins with a `loss` of the inputs are always compared in it and in its gradients, in double.
Exit code 1 where something is off.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import detectors
import twins

TWINS = twins.TWINS | detectors.TWINS | detectors.VARIANTS
SPECS = pathlib.Path(__file__).parents[2] / "specs"
# Those that everyone measures.
USUAL = ["resnet18", "resnet50", "vgg16", "alexnet", "googlenet", "yolo_v2", "tiny_yolo_v2"]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def compare(cnnc, name, gradients):
    torch.manual_seed(0)
    twin = TWINS[name]
    net = twin.make()
    for layer in net.modules():
        if isinstance(layer, NORMS):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    spec = [name.split("/")[0], *[a for v in twin.settings for a in ("--set", v)]]
    summary = json.loads(subprocess.run([cnnc, "summary", *spec, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    shapes = {p["name"]: p["shape"] for p in summary["parameters"]}
    assert shapes == {k: list(v.shape) for k, v in state.items()}, f"{name}: names or shapes differ"
    noise = lambda shape: torch.randn(2, *shape)
    given = {i["name"]: twin.given.get(i["name"], noise)(i["shape"]) for i in summary["inputs"]}
    classes = lambda t: torch.randint(t["classes"], (2, *t["shape"]))
    targets = {t["name"]: classes(t) if "classes" in t else torch.rand(2, *t["shape"]) for t in summary["targets"]}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = lambda n: f"{folder}/{n}.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, path("w"))
        save_file(given | {k: t if t.is_floating_point() else t.to(torch.int32) for k, t in targets.items()}, path("x"))
        run = [cnnc, "run", *spec, "--weights", path("w"), "--input", path("x"), "--output", path("y")]
        subprocess.run(run, check=True)
        if gradients:  # Winograd rounds a little more: enough to move the largest of a pool from one pixel to the next.
            subprocess.run(run + ["--exact", "--gradients", path("g")], check=True)
        expected = net.eval()(*given.values())
        expected = dict(zip(twin.outputs, expected if isinstance(expected, tuple) else (expected,), strict=True))
        got = load_file(path("y"))
        off = max(((got[k] - y).abs().max() / y.abs().max()).item() for k, y in expected.items())
        text, good = f"{name:18} outputs {off:.1e}", off <= 1e-4
        if gradients:
            (x,), (target,) = given.values(), targets.values()
            with torch.enable_grad():
                net.train()
                theirs = torch_gradients(net, x, target)
                exact = torch_gradients(net.double(), x.double(), target.double() if target.is_floating_point() else target)
            ours = load_file(path("g"))
            ours = {k: ours[k if k != "image" else next(iter(given))] for k in exact}
            mine, other = (distances(g, exact) for g in (ours, theirs))
            text += f"   gradients {mine[0]:.1e} ({mine[1]}), of the largest in all {mine[2]:.1e};"
            text += f" PyTorch's own float {other[0]:.1e} ({other[1]}), {other[2]:.1e}"
            good &= mine[0] <= max(1e-3, 3 * other[0])
        if hasattr(net, "loss"):
            subprocess.run(run + ["--exact", "--gradients", path("g")], check=True)
            with torch.enable_grad():
                net.double().train()
                loss = net.loss(*[x.double() for x in given.values()])
                loss.backward()
            exact = {"loss": loss.detach()} | {k: p.grad for k, p in net.named_parameters() if p.requires_grad}
            ours = load_file(path("g"))
            mine = distances(ours | {"loss": ours["loss"].squeeze()}, exact)
            text += f"   loss and gradients {mine[0]:.1e} ({mine[1]}), of the largest in all {mine[2]:.1e}"
            good &= mine[0] <= 1e-4
    print(text + ("" if good else "   OFF"), flush=True)
    return good


def torch_gradients(net, x, target):
    """The gradient of every weight and of the input, by name."""
    net.zero_grad()
    x = x.detach().clone().requires_grad_()
    y = net(x)
    (F.mse_loss if target.is_floating_point() else F.cross_entropy)(y, target).backward()
    return {k: p.grad.clone() for k, p in net.named_parameters()} | {"image": x.grad}


def distances(got, exact):
    """The worst tensor's distance, as a share of its norm, its name, and the largest single error as a share of the largest number of that tensor."""
    share = {k: ((got[k] - g).norm() / g.norm().clamp_min(1e-12)).item() for k, g in exact.items()}
    worst = max(share, key=share.get)
    single = max(((got[k] - g).abs().max() / g.abs().max().clamp_min(1e-12)).item() for k, g in exact.items())
    return share[worst], worst, single


def main():
    arguments = sys.argv[1:]
    gradients = "--gradients" in arguments
    cnnc, *wanted = [a for a in arguments if a != "--gradients"]
    results = [compare(cnnc, name, gradients) for name in wanted or USUAL]
    sys.exit(0 if all(results) else 1)


main()
