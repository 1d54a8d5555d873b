"""Compares large networks at their full size with PyTorch: outputs, the loss, and its gradient by every parameter and by the input.

usage: python tests/parity/full_size.py PATH_OF_CNNC [--rounds N] [--exact] [--mean-pools] [NAME...]

Needs torch, torchvision, numpy and safetensors. Weights are random (seed 0), running statistics those of a batch; the module's
`state_dict` is saved as it is and loaded by `cnnc run` by name. Outputs are compared with PyTorch's, as a share of the largest.
Gradients (in training mode, without dropout) are compared with PyTorch's in double, each as a share of the largest number in that
tensor; beside them stand PyTorch's own in float. `--exact` does without Winograd, which rounds more coarsely.

At a kink rounding decides which slope is right, and one such place among millions shows in every tensor before it, most in the
gradient of the input. So biases are set, layer by layer, such that nothing an activation is given for these images lies near its
kinks, though each channel has numbers on both sides. Ties in the windows of pools no bias can part: while a gradient is out of bound
there are further rounds, each with other weights and images, and a tensor counts with the round in which it is nearest. A mistake
is in all of them. Where every round has such ties, `--mean-pools` compares networks whose max pools are mean pools on both sides.

Prints a table; exit code 1 where outputs are off by more than 1e-4 or gradients by more than 1e-3.
"""
import argparse
import copy
import dataclasses
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import torch
import torchvision.models as tv
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import detection
import detectors
import twins

WEIGHTED = (nn.Conv2d, nn.Conv3d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Where activations bend, and how many places are tried for what comes to lie there.
KINKS = {F.relu: (0.0,), F.leaky_relu: (0.0,), F.hardtanh: (0.0, 6.0), F.hardswish: (-3.0, 3.0), F.hardsigmoid: (-3.0, 3.0)}
TRIES = 256
SPECS = pathlib.Path(__file__).parents[2] / "specs"


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
    return detection.yolo_loss(2, map, objects, 32, detectors.PRIORS_OF_YOLO_V2, ignore=0.6)


UNDROPPED = ("dropped=0.0",)
SUBJECTS = {
    "alexnet": Subject(model("alexnet", dropout=0.0), settings=UNDROPPED),
    "vgg16": Subject(model("vgg16", dropout=0.0), settings=UNDROPPED),
    "vgg16_bn": Subject(model("vgg16_bn", dropout=0.0), settings=UNDROPPED),
    "resnet18": Subject(model("resnet18")),
    "resnet34": Subject(model("resnet34")),
    "resnet50": Subject(model("resnet50")),
    "resnet101": Subject(model("resnet101")),
    "resnet152": Subject(model("resnet152")),
    "resnet20": Subject(twins.TWINS["resnet20"].make, images=4),
    "resnet56": Subject(twins.TWINS["resnet56"].make, images=4),
    "preact_resnet": Subject(twins.TWINS["preact_resnet"].make, images=4),
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


def randomize(net):
    """Weights under which every layer's values are of the order of one, so that a wrong layer shows."""
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias)
        if isinstance(layer, NORMS):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)


def settle(net, x):
    """Sets running statistics to those of these images, and biases so that activations are given nothing near their kinks."""
    for layer in net.modules():
        if isinstance(layer, NORMS):
            layer.reset_running_stats()
            layer.momentum = None  # The batch's statistics become the running ones.
    with torch.no_grad(), AwayFromKinks(net):
        net.train()(x)
    for layer in net.modules():
        if isinstance(layer, NORMS):
            layer.momentum = 0.0  # And stay.


class AwayFromKinks(TorchFunctionMode):
    """Moves each channel of what activations are given, by the bias of the layer before, until no number in it is near a kink."""

    def __init__(self, net):
        super().__init__()
        self.biased, self.hooks = None, []
        for layer in net.modules():
            if isinstance(layer, (*WEIGHTED, *NORMS)) and layer.bias is not None:
                self.hooks.append(layer.register_forward_hook(self.ran))

    def ran(self, layer, given, result):
        self.biased = layer

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in KINKS:
            by = shifts(args[0].transpose(0, 1).flatten(1), KINKS[function])
            self.biased.bias += by
            args[0].add_(by.view(-1, *[1] * (args[0].ndim - 2)))
        return function(*args, **(kwargs or {}))

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)


def shifts(channels, kinks):
    """By how much to move each row so that a kink comes to lie between its lowest and its highest tenth, and all its numbers are as
    far from kinks as can be."""
    rows, kinks = channels.contiguous().sort(1).values, torch.tensor(kinks)
    most = rows.shape[1] - 1
    low, high = rows[:, [math.floor(0.1 * most)]], rows[:, [math.ceil(0.9 * most)]]
    by = -(low + (high - low) * torch.rand(len(rows), TRIES))
    by += kinks[torch.randint(len(kinks), by.shape)]
    margins = []
    for kink in kinks:
        above = torch.searchsorted(rows, kink - by)
        margins += [(rows.gather(1, i.clamp(0, most)) + by - kink).abs() for i in (above - 1, above)]
    best = torch.stack(margins).amin(0).argmax(1, keepdim=True)
    return by.gather(1, best)[:, 0]


def target(spec, images, size):
    """Classes, or for a detector six objects an image."""
    if not spec["shape"]:
        return torch.arange(images) * 7 % spec["classes"]
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


def pool_by_mean(name, folder):
    """Has PyTorch's max pools take means, and says how `cnnc` finds the spec that does so."""
    F.max_pool2d = lambda x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False: F.avg_pool2d(
        x, kernel_size, stride, padding, ceil_mode)
    specs = shutil.copytree(SPECS, pathlib.Path(folder) / "specs")
    for spec in specs.rglob("*.net"):
        spec.write_text(re.sub(r"\bmax_pool\(", "avg_pool(", spec.read_text()))
    plain = lambda net: net.replace("_", "").lower()
    nets = [(spec, net) for spec in specs.glob("*.net") for net in re.findall(r"^net (\w+)", spec.read_text(), re.M)]
    return next([spec, "--net", net] for spec, net in nets if plain(net) == plain(name))


class Comparison:
    """A network of both sides with the same weights."""

    def __init__(self, name, given, folder):
        torch.manual_seed(0)
        self.subject, self.folder = SUBJECTS[name], folder
        spec = pool_by_mean(name, folder) if given.mean_pools else [name]
        spec = [*spec, *[word for setting in self.subject.settings for word in ("--set", setting)]]
        summary = json.loads(subprocess.run([given.cnnc, "summary", *spec, "--json"], check=True, stdout=subprocess.PIPE).stdout)
        (self.image,), (self.target,) = summary["inputs"], summary["targets"]
        exact = ["--exact"] if given.exact else []
        self.command = [given.cnnc, "run", *spec, *exact, "--weights", self.path("w"), "--input", self.path("x"), "--output", self.path("y")]
        self.net = self.subject.make()

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
        """With weights and images of its own: how far outputs are off, and each gradient: ours, and PyTorch's in float."""
        x, y = self.images(), target(self.target, self.subject.images, self.image["shape"][-1])
        save_file({self.image["name"]: x, self.target["name"]: y if y.is_floating_point() else y.to(torch.int32)}, self.path("x"))
        randomize(self.net)
        settle(self.net, x)
        save_file({k: v.contiguous() for k, v in self.net.state_dict().items()}, self.path("w"))
        got, ours = self.run()
        outputs, theirs = outputs_and_gradients(self.net, self.subject, x, y)
        y = y.double() if y.is_floating_point() else y
        _, exact = outputs_and_gradients(copy.deepcopy(self.net).double(), self.subject, x.double(), y)
        off = ((got - outputs).abs().max() / outputs.abs().max()).item()
        return off, *[shares(gradients, exact) for gradients in (ours, theirs)]


def compare(name, given):
    """Prints a row of the table, and says whether all is within bounds. There is a further round only while a gradient is not."""
    offs, ours, theirs = rounds = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        both = Comparison(name, given, folder)
        while not offs or worst(ours)[0] > 1e-3 and len(offs) < given.rounds:
            for figures, figure in zip(rounds, both.round()):
                figures.append(figure)
    good = max(offs) <= 1e-4 and worst(ours)[0] <= 1e-3
    worsts = [f"{share:.1e} (`{tensor}`)" for share, tensor in map(worst, (ours, theirs))]
    how = [f" `--{option.replace('_', '-')}`" for option in ("exact", "mean_pools") if getattr(given, option)]
    print("| " + " | ".join([f"`{name}`{''.join(how)}", f"{max(offs):.1e}", *worsts, str(len(offs))]) + " |" + ("" if good else " OFF"), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cnnc")
    parser.add_argument("names", nargs="*", default=list(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=3, help="at most so many")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--mean-pools", action="store_true")
    given = parser.parse_intermixed_args()
    print("| network | outputs | gradients, the worst | PyTorch's own in float | rounds |\n|---|---:|---|---|---:|", flush=True)
    sys.exit(0 if all([compare(name, given) for name in given.names]) else 1)


main()
