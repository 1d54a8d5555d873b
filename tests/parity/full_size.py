"""Compares large networks at their full size with PyTorch: outputs, the loss, and its gradient by every parameter and by the input.

usage: python tests/parity/full_size.py PATH_OF_CNNC [--rounds N] [--exact] [NAME...]

Needs torch, torchvision, numpy and safetensors. Weights are random (seed 0), running statistics those of a batch; the module's
`state_dict` is saved as it is and loaded by `cnnc run` by name. Outputs are compared with PyTorch's, as a share of the largest.
Gradients (in training mode, without dropout) are compared with PyTorch's in double, each as a share of the largest number in that
tensor; beside them stand PyTorch's own in float. At the kinks of activations and pools rounding decides which slope is right, and one
such place shows in every tensor before it; so weights keep most values away from zero, there are several rounds with other
images, and a tensor counts with the round in which it is nearest: a mistake is in all of them. `--exact` does without Winograd.
Prints a table; exit code 1 where outputs are off by more than 1e-4 or gradients by more than 1e-3.
"""
import argparse
import copy
import dataclasses
import json
import subprocess
import sys
import tempfile

import torch
import torchvision.models as tv
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import detection
import detectors

WEIGHTED = (nn.Conv2d, nn.Conv3d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclasses.dataclass
class Subject:
    """A network of both sides."""

    make: object
    """Gives the module."""
    loss: object = F.cross_entropy
    """The loss of what the module gives in training, and of the target."""
    settings: tuple = ()
    """Values of the spec's parameters."""
    images: int = 2
    """Of a batch; normalisation of a few numbers each has hardly a slope, so small maps need more images."""
    output: object = "logits"
    """The spec's name of what the module gives in inference."""


def model(name, **more):
    return lambda: getattr(tv, name)(weights=None, **more)


def with_heads(share, *heads):
    """Cross entropy of a classifier and, at a share, of those in its middle."""
    return lambda y, label: F.cross_entropy(y.logits, label) + share * sum(F.cross_entropy(getattr(y, h), label) for h in heads)


def yolo_v2(map, objects):
    return detection.yolo_loss(2, map, objects, 32, detectors.PRIORS_OF_YOLO_V2)


UNDROPPED = ("dropped=0.0",)
SUBJECTS = {
    "alexnet": Subject(model("alexnet", dropout=0.0), settings=UNDROPPED),
    "vgg16": Subject(model("vgg16", dropout=0.0), settings=UNDROPPED),
    "vgg16_bn": Subject(model("vgg16_bn", dropout=0.0), settings=UNDROPPED),
    "resnet18": Subject(model("resnet18")),
    "resnet50": Subject(model("resnet50")),
    "googlenet": Subject(
        model("googlenet", init_weights=False, dropout=0.0, dropout_aux=0.0, transform_input=True),
        with_heads(0.3, "aux_logits1", "aux_logits2"), (*UNDROPPED, "dropped_heads=0.0", "transform_input=true")),
    "inception_v3": Subject(
        model("inception_v3", init_weights=False, dropout=0.0, transform_input=True),
        with_heads(0.4, "aux_logits"), (*UNDROPPED, "transform_input=true"), images=4),
    "r3d18": Subject(lambda: tv.video.r3d_18(weights=None)),
    "yolo_v2": Subject(detectors.YoloV2, yolo_v2, output="map"),
    "densenet121": Subject(model("densenet121")),
    "shufflenet_v2": Subject(model("shufflenet_v2_x1_0")),
    "mobilenet_v2": Subject(model("mobilenet_v2", dropout=0.0), settings=UNDROPPED),
    "mobilenet_v3_small": Subject(model("mobilenet_v3_small", dropout=0.0), settings=UNDROPPED),
    "squeezenet": Subject(model("squeezenet1_0", dropout=0.0), settings=UNDROPPED),
}


def randomize(net, x):
    """Weights under which every layer's values are of the order of one, so that a wrong layer shows, and most of them some way from
    zero, where rounding would decide about slopes; statistics of a batch."""
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                away_from_zero(layer.bias, 1.0)
        if isinstance(layer, NORMS):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            away_from_zero(layer.bias, layer.weight)
            layer.momentum = None  # The batch's statistics become the running ones.
    with torch.no_grad():
        net.train()(x)
    for layer in net.modules():
        if isinstance(layer, NORMS):
            layer.momentum = 0.0  # And stay.


def away_from_zero(bias, deviation):
    """Three and a half times the deviation of what it is added to, or so, to either side."""
    with torch.no_grad():
        bias.copy_((torch.randint(0, 2, bias.shape) * 2 - 1) * (3.5 + 0.1 * torch.randn(bias.shape)) * deviation)


def target(spec, images, size):
    """Classes, or for a detector six objects an image."""
    if not spec["shape"]:
        return torch.arange(images) * 7
    rows = torch.full((images, *spec["shape"]), -1.0)
    rows[:, :6] = torch.rand(images, 6, 5)
    rows[:, :6, 0] = (rows[:, :6, 0] * 80).floor()
    rows[:, :6, 1:3] *= size
    rows[:, :6, 3:] = 10 + rows[:, :6, 3:] * size / 2
    return rows


def outputs_and_gradients(net, subject, x, wanted):
    with torch.no_grad():
        outputs = net.eval()(x)
    net.train().zero_grad()
    x = x.clone().requires_grad_()
    loss = subject.loss(net(x), wanted)
    loss.backward()
    return outputs, {"loss": loss.detach().reshape(1)} | {k: p.grad.clone() for k, p in net.named_parameters()} | {"input": x.grad}


def shares(got, exact):
    """The largest error of each tensor as a share of the largest number in it. One that cancels to nothing, as that of a bias before
    normalisation, has no digits of its own and is held against the largest gradient of all."""
    most = max(g.abs().max() for k, g in exact.items() if k != "loss")

    def share(k, g):
        largest = g.abs().max()
        return ((got[k] - g).abs().max() / (largest if largest > 1e-9 * most else most)).item()

    return {k: share(k, g) for k, g in exact.items()}


def worst(rounds):
    """The tensor that is furthest off in the round in which it is nearest, and how far."""
    return max((min(shares[k] for shares in rounds), k) for k in rounds[0])


class Comparison:
    """A network of both sides with the same weights."""

    def __init__(self, name, given, folder):
        torch.manual_seed(0)
        self.subject, self.folder = SUBJECTS[name], folder
        spec = [name, *[word for setting in self.subject.settings for word in ("--set", setting)]]
        summary = json.loads(subprocess.run([given.cnnc, "summary", *spec, "--json"], check=True, stdout=subprocess.PIPE).stdout)
        (self.image,), (self.target,) = summary["inputs"], summary["targets"]
        exact = ["--exact"] if given.exact else []
        self.command = [given.cnnc, "run", *spec, *exact, "--weights", self.path("w"), "--input", self.path("x"), "--output", self.path("y")]
        self.net = self.subject.make()
        randomize(self.net, self.images())
        save_file({k: v.contiguous() for k, v in self.net.state_dict().items()}, self.path("w"))
        self.double = copy.deepcopy(self.net).double()

    def path(self, name):
        return f"{self.folder}/{name}.safetensors"

    def images(self):
        return torch.randn(self.subject.images, *self.image["shape"])

    def run(self):
        """What `cnnc run` makes of the files."""
        subprocess.run([*self.command, "--gradients", self.path("g")], check=True)
        gradients = load_file(self.path("g"))
        return load_file(self.path("y"))[self.subject.output], gradients | {"input": gradients.pop(self.image["name"])}

    def round(self):
        """How far outputs are off, and each gradient: ours, and PyTorch's in float."""
        x, y = self.images(), target(self.target, self.subject.images, self.image["shape"][-1])
        save_file({self.image["name"]: x, self.target["name"]: y if y.is_floating_point() else y.to(torch.int32)}, self.path("x"))
        got, ours = self.run()
        outputs, theirs = outputs_and_gradients(self.net, self.subject, x, y)
        y = y.double() if y.is_floating_point() else y
        _, exact = outputs_and_gradients(self.double, self.subject, x.double(), y)
        off = ((got - outputs).abs().max() / outputs.abs().max()).item()
        return off, *[shares(gradients, exact) for gradients in (ours, theirs)]


def compare(name, given):
    """Prints a row of the table, and says whether all is within bounds."""
    with tempfile.TemporaryDirectory() as folder:
        both = Comparison(name, given, folder)
        offs, *gradients = zip(*[both.round() for _ in range(given.rounds)])
    ours, theirs = (worst(rounds) for rounds in gradients)
    good = max(offs) <= 1e-4 and ours[0] <= 1e-3
    cells = [f"`{name}`", f"{max(offs):.1e}", *[f"{share:.1e} (`{tensor}`)" for share, tensor in (ours, theirs)]]
    print("| " + " | ".join(cells) + " |" + ("" if good else " OFF"), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cnnc")
    parser.add_argument("names", nargs="*", default=list(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exact", action="store_true")
    given = parser.parse_intermixed_args()
    print("| network | outputs | gradients, the worst | PyTorch's own in float |\n|---|---:|---|---|", flush=True)
    sys.exit(0 if all([compare(name, given) for name in given.names]) else 1)


main()
