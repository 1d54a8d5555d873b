"""Compares the networks that everyone measures with torchvision, through `cnnc run`.

usage: python tests/parity/networks.py PATH_OF_CNNC [--gradients] [NAME...]

Needs torch, torchvision, numpy and safetensors. Weights are random (seed 0), running statistics too; outputs must agree within
1e-4 of the largest, gradients (`--exact`) are compared with PyTorch's in double, beside PyTorch's own in float: at the kinks of activations and pools
rounding decides which slope is right, and deep networks of random weights have many. Exit code 1 where something is off.
"""
import json
import subprocess
import sys
import tempfile

import torch
import torchvision.models as tv
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F


def unit(i, o, k):
    return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.1))


class YoloV2(nn.Module):
    def __init__(self):
        super().__init__()
        fine = [(3, 32, 3), 0, (32, 64, 3), 0, (64, 128, 3), (128, 64, 1), (64, 128, 3), 0, (128, 256, 3), (256, 128, 1),
                (128, 256, 3), 0, (256, 512, 3), (512, 256, 1), (256, 512, 3), (512, 256, 1), (256, 512, 3)]
        coarse = [0, (512, 1024, 3), (1024, 512, 1), (512, 1024, 3), (1024, 512, 1), (512, 1024, 3), (1024, 1024, 3),
                  (1024, 1024, 3)]
        make = lambda layers: nn.Sequential(*[unit(*l) if l else nn.MaxPool2d(2) for l in layers])
        self.fine, self.coarse, self.passed = make(fine), make(coarse), unit(512, 64, 1)
        self.last, self.map = unit(1280, 1024, 3), nn.Conv2d(1024, 425, 1)

    def forward(self, x):
        fine = self.fine(x)
        return self.map(self.last(torch.cat([F.pixel_unshuffle(self.passed(fine), 2), self.coarse(fine)], 1)))


class TinyYoloV2(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 16, 32, 64, 128, 256, 512, 1024, 1024]
        self.units = nn.ModuleList(unit(i, o, 3) for i, o in zip(widths, widths[1:]))
        self.map = nn.Conv2d(1024, 125, 1)

    def forward(self, x):
        for i, layer in enumerate(self.units):
            x = layer(x)
            if i < 5:
                x = F.max_pool2d(x, 2)
            elif i == 5:
                x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, 1)
        return self.map(x)


NETS = {  # name: (module, size, values of the spec's parameters)
    "resnet18": (lambda: tv.resnet18(weights=None), 224, []),
    "resnet50": (lambda: tv.resnet50(weights=None), 224, []),
    "vgg16": (lambda: tv.vgg16(weights=None, dropout=0.0), 224, []),
    "alexnet": (lambda: tv.alexnet(weights=None, dropout=0.0), 224, []),
    "googlenet": (lambda: tv.googlenet(weights=None, aux_logits=False, init_weights=False, dropout=0.0), 224, ["heads=0"]),
    "yolo_v2": (YoloV2, 416, []),
    "tiny_yolo_v2": (TinyYoloV2, 416, []),
}


def compare(cnnc, name, gradients):
    torch.manual_seed(0)
    make, size, values = NETS[name]
    net = make()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    x = torch.randn(2, 3, size, size)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    settings = [a for v in values for a in ("--set", v)]
    summary = subprocess.run([cnnc, "summary", name, "--json", *settings], check=True, capture_output=True, text=True)
    params = json.loads(summary.stdout)["parameters"]
    if name.endswith("yolo_v2"):  # Not in torchvision: by order. Running statistics come behind the trained weights of a layer.
        ours = [p["name"] for p in params]
        theirs = list(state)
        if "map.weight" in theirs and name == "yolo_v2":  # The order of the spec: the passed features come after the trunk.
            theirs = sorted(theirs, key=lambda k: ["fine", "coarse", "passed", "last", "map"].index(k.split(".")[0]))
        names = dict(zip(theirs, ours))
    else:
        names = {k: k for k in state}
        assert [p["name"] for p in params] == list(state), f"{name}: names differ"
    shapes = {p["name"]: p["shape"] for p in params}
    for k, v in state.items():
        assert list(v.shape) == shapes[names[k]], f"{name}: {k} {list(v.shape)} is {shapes[names[k]]}"
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = lambda n: f"{folder}/{n}.safetensors"
        save_file({names[k]: v.contiguous() for k, v in state.items()}, path("w"))
        given = {"image": x}
        yolo = name.endswith("yolo_v2")
        net.eval()
        expected = net(x)
        target = torch.rand_like(expected) if yolo else torch.tensor([3, 7])
        given["wanted" if yolo else "label"] = target if yolo else target.to(torch.int32)
        save_file(given, path("x"))
        run = [cnnc, "run", name, "--weights", path("w"), "--input", path("x"), "--output", path("y"), *settings]
        subprocess.run(run, check=True)
        if gradients:  # Winograd rounds a little more: enough to move the largest of a pool from one pixel to the next.
            subprocess.run(run + ["--exact", "--gradients", path("g")], check=True)
        got = load_file(path("y"))["map" if yolo else "logits"]
        off = ((got - expected).abs().max() / expected.abs().max()).item()
        text, good = f"{name:14} outputs {off:.1e}", off <= 1e-4
        if gradients:
            with torch.enable_grad():
                net.train()
                theirs = torch_gradients(net, x, target, yolo)
                exact = torch_gradients(net.double(), x.double(), target.double() if yolo else target, yolo)
            ours = load_file(path("g"))
            ours = {k: ours[names.get(k, k)] for k in exact}
            mine, other = (distances(g, exact) for g in (ours, theirs))
            text += f"   gradients {mine[0]:.1e} ({mine[1]}), of the largest in all {mine[2]:.1e};"
            text += f" PyTorch's own float {other[0]:.1e} ({other[1]}), {other[2]:.1e}"
            good &= mine[0] <= max(1e-3, 3 * other[0])
    print(text + ("" if good else "   OFF"), flush=True)
    return good


def torch_gradients(net, x, target, yolo):
    """The gradient of every weight and of the input, by name."""
    net.zero_grad()
    x = x.detach().clone().requires_grad_()
    y = net(x)
    (F.mse_loss(y, target) if yolo else F.cross_entropy(y, target)).backward()
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
    results = [compare(cnnc, name, gradients) for name in wanted or NETS]
    sys.exit(0 if all(results) else 1)


main()
