"""Writes what PyTorch says of the networks of specs/, for tests/tests/shipped_parity.rs: shipped/NAME.safetensors.

usage: python tests/parity/shipped.py PATH_OF_CNNC [NAME...]

Needs torch, torchvision, numpy and safetensors. Weights and inputs are drawn by `sketch.py`, here and in the test, so that a file has only
the middle and the reach of each; outputs and gradients, in double, are kept as sketches. Networks are as they ship,
but that many are given smaller pictures, and some have fewer units, features, frames or regions. What is changed after that is in the file: biases, set so that nothing an activation
is given lies near its kinks, on which rounding would decide, and numbers of filters, by which ties of max pools are parted (as in
full_size.py, which compares every number, at full size). Numbers are drawn again where PyTorch in float is not near PyTorch in double all
the same.
"""
import dataclasses
import gc
import json
import math
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import Bottleneck

import detectors
import faces
import pictures
import twins
from full_size import NORMS, WEIGHTED, AwayFromKinks, away, gradients, outputs
from layers import Canvas, LocalConv
from sketch import drawn, sketch

ALL = twins.TWINS | pictures.TWINS | faces.TWINS | detectors.TWINS
FOLDER = pathlib.Path(__file__).parent / "shipped"
# What rounding may change in PyTorch, as shares: less than is allowed to ours.
OUTPUTS, GRADIENTS = 3e-5, 1.5e-4
DRAWS = 8


def smaller(name, *settings, **changed):
    twin = ALL[name]
    return name, dataclasses.replace(twin, settings=(*twin.settings, *settings), **changed)


CASES = dict([
    *[smaller(name) for name in (
        "lenet5", "lenet5_1998", "nin", "inception", "transfer", "fusion", "edges", "localize", "landmarks", "ecg", "heartbeat", "siamese",
        "resnet20", "resnet56", "facenet", "alexnet_paper", "alexnet", "deconvnet", "rcnn_head",
        "overfeat_fast", "c3d", "inception_v3", "deepface", "vgg11_bn", "vgg16")],
    *[smaller(name, "size=96", images=4) for name in (
        "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2", "densenet121", "squeezenet", "googlenet", "resnet18",
        "resnet50", "fpn")],
    *[smaller(name, images=1) for name in ("siamese_koch", "deepface --net DeepFaceSiamese")],
    smaller("r3d18", "frames=8", "size=48"),
    ("vgg --set size=256", twins.Twin(twins.SlidingVGG)),
    smaller("preact_resnet", "units=2", make=lambda: twins.preact_resnet(2)),
    smaller("style", "size=64", make=lambda: pictures.Style(64), images=1),
    smaller("unet", "size=188"),
    smaller("yolo_v1", "features=256", make=lambda: detectors.Decoded(1, detectors.yolo_v1(256), (64,), (None,))),
    *[smaller(name, "size=160", given={"objects": detectors.objects(classes, 160, 160)}) for name, classes in (
        ("yolo_v2", 80), ("tiny_yolo_v2", 20), ("yolo_v3", 80), ("tiny_yolo_v3", 80))],
    *[smaller(name, "height=192", "width=256", "count=24", make=lambda align=align: detectors.Regions(align=align, count=24),
              given=detectors.regions_and_objects(256, 192)) for name, align in (("fast_rcnn", False), ("fast_rcnn --set align=true", True))],
    *[smaller(name, "height=192", "width=256", "count=24", "scales=[32, 64, 128]", given={"objects": detectors.objects(20, 256, 192, 40)},
              make=lambda deep=deep: detectors.Regions(deep, count=24, proposes=True, scales=(32, 64, 128), image=(192, 256)))
      for name, deep in (("faster_rcnn", False), ('faster_rcnn --set trunk="resnet50"', True))],
])


class OneNumber(AwayFromKinks):
    """Parts ties by one number of a filter, so that few have to be in the file."""

    @staticmethod
    def change(weights):
        weights.view(-1)[torch.randint(weights.numel(), ())] += weights.std()


class Draw:
    """Numbers of one salt, and what was said of them."""

    def __init__(self, salt):
        self.salt, self.said = salt, {}

    def __call__(self, kind, name, shape, middle, reach):
        self.said[f"{kind}.{name}"] = torch.tensor([middle, reach], dtype=torch.float32)
        return drawn(f"{self.salt}/{kind}/{name}", shape, middle, reach)

    def fill(self, net):
        """Weights under which every layer's values are of the order of one, so that a wrong layer shows."""
        last = {id(unit.bn3) for unit in net.modules() if isinstance(unit, Bottleneck)}
        for prefix, layer in net.named_modules():
            for name, x in layer.named_parameters(recurse=False):
                middle, reach = 0.0, 1.0
                if name == "weight" and isinstance(layer, LocalConv):
                    reach = (6 / x.shape[1]) ** 0.5
                elif name == "weight" and isinstance(layer, nn.ConvTranspose2d):
                    reach = (6 / x.shape[0]) ** 0.5
                elif name == "weight" and isinstance(layer, WEIGHTED):
                    reach = (6 / x[0].numel()) ** 0.5
                elif name == "weight" and not isinstance(layer, Canvas):
                    # What a deep unit adds is less than what it passes on, as full_size.py says.
                    middle, reach = (0.2, 0.1) if id(layer) in last else (1.0, 0.5)
                x.data = self("param", f"{prefix}.{name}".lstrip("."), x.shape, middle, reach)

    def settle(self, twin, net, inputs):
        """Biases away from kinks, and running statistics near those of these inputs."""
        norms = {layer: name for name, layer in net.named_modules() if isinstance(layer, NORMS)}
        for layer, name in norms.items():  # Heads of training see nothing in inference.
            self.statistics(layer, name, 0.0, 1.0)
        self.normalise(twin, net, inputs, norms)
        before = {name: x.clone() for name, x in net.named_parameters()}
        with torch.no_grad():
            away(twin, net.train(), inputs, mode=OneNumber)
        for name, x in net.named_parameters():
            changed = torch.nonzero(x.flatten() != before[name].flatten())[:, 0]
            if 2 * len(changed) >= x.numel():
                self.said[f"given.{name}"] = x.detach().clone()
            elif len(changed):  # Places, which floats can say below 2^24, and what is there instead.
                assert changed.max() < 1 << 24
                self.said[f"changed.{name}"] = torch.stack([changed.float(), x.detach().flatten()[changed]])
        # What takes its running statistics in training as well has them.
        self.normalise(twin, net, inputs, {layer: name for layer, name in norms.items() if layer.training})

    def statistics(self, layer, name, mean, spread):
        layer.running_mean = self("param", f"{name}.running_mean", layer.running_mean.shape, mean, 0.3 * spread)
        layer.running_var = self("param", f"{name}.running_var", layer.running_var.shape, spread**2, 0.5 * spread**2)

    def normalise(self, twin, net, inputs, norms):
        """Running statistics near those that layers see, one after another."""
        def seen(layer, given):
            x = given[0].transpose(0, 1).flatten(1)
            self.statistics(layer, norms[layer], x.mean().item(), x.std(1).mean().item())

        hooks = [layer.register_forward_pre_hook(seen) for layer in norms]
        with torch.no_grad():
            twin.once(net.eval(), *inputs)
        for hook in hooks:
            hook.remove()


def sketches(twin, net, inputs, targets):
    said = {f"output.{k}": sketch(y) for k, y in outputs(twin, net, inputs).items()}
    if twin.loss:
        kind = lambda k: k if k == "loss" else f"input_grad.{k}" if k in inputs else f"grad.{k}"
        said |= {kind(k): sketch(g) for k, g in gradients(twin, net, inputs, targets).items()}
    return said


def off(got, exact):
    """How far outputs and gradients are off, as the test has it, and which."""
    most = max((y[0] for k, y in exact.items() if "grad." in k), default=0)
    shares = {"outputs": (0.0, ""), "gradients": (0.0, "")}
    for k, y in exact.items():
        norm, largest = (y[0], y[2]) if "grad." not in k or y[0] > 1e-7 * most else (most, most)
        apart = (got[k] - y).abs()
        share = max(apart[0] / norm, apart[1] / norm, apart[2:].max() / largest).item()
        share = share if math.isfinite(share) else math.inf
        kind = "gradients" if "grad." in k else "outputs"
        shares[kind] = max(shares[kind], (share, k))
    return shares


def case(twin, summary, salt):
    """The numbers of this salt, what PyTorch says of them, and how far its float is off."""
    torch.manual_seed(salt)
    draw, net = Draw(salt), twin.make()
    for layer in net.modules():
        if isinstance(layer, NORMS):
            layer.momentum = 0.0  # Running statistics stay as they are set.
    draw.fill(net)

    def make(kind, tensor):
        name, shape = tensor["name"], (twin.images, *tensor["shape"])
        if name not in twin.given and "classes" not in tensor:
            return draw(kind, name, shape, *((0.0, 3**0.5) if kind == "input" else (0.5, 0.5)))
        y = twin.given[name](shape) if name in twin.given else torch.randint(tensor["classes"], shape)
        draw.said[f"given.{name}"] = y.float()
        return y

    inputs, targets = ({tensor["name"]: make(kind, tensor) for tensor in summary[f"{kind}s"]} for kind in ("input", "target"))
    draw.settle(twin, net, inputs.values())
    double = lambda tensors: {k: v.double() if v.is_floating_point() else v for k, v in tensors.items()}
    theirs = sketches(twin, net, inputs, targets)
    exact = sketches(twin, net.double(), double(inputs), double(targets))
    return draw.said | exact, off(theirs, exact)


def write(cnnc, name):
    twin = CASES[name]
    spec = [*name.split(), *[word for setting in twin.settings for word in ("--set", setting)]]
    summary = json.loads(subprocess.run([cnnc, "summary", *spec, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    for salt in range(DRAWS):
        said, shares = case(twin, summary, salt)
        gc.collect()
        good = shares["outputs"][0] <= OUTPUTS and shares["gradients"][0] <= GRADIENTS
        worst = ", ".join(f"{kind} {share:.1e} ({tensor})" for kind, (share, tensor) in shares.items())
        print(f"{name:40} {salt:2} {worst}{'' if good else '  again'}", flush=True)
        if good:
            break
    else:
        return False
    file = "".join(c if c.isalnum() or c == "_" else "-" for c in name.replace(" --set ", "-").replace(" --net ", "-")).strip("-")
    # `--set` holds values with spaces: one word a line.
    meta = {"spec": "\n".join(spec), "images": str(twin.images), "salt": str(salt)}
    save_file({k: v.contiguous() for k, v in said.items()}, FOLDER / f"{file}.safetensors", meta)
    return True


def main():
    cnnc, *names = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    sys.exit(0 if all([write(cnnc, name) for name in names or CASES]) else 1)


main()
