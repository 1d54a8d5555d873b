"""Compares networks of specs/ at their full size with PyTorch: outputs, the loss, and its gradient by every parameter and every input.

usage: python tests/parity/full_size.py PATH_OF_CNNC [--rounds N] [--exact] [--mean-pools] [NAME...]

A NAME is what `cnnc` is told, such as 'fast_rcnn --set align=true'. Needs torch, torchvision, numpy and safetensors. Weights are
random (seed 0), running statistics those of a batch; the module's `state_dict` is saved as it is and loaded by `cnnc run` by name.
Outputs are compared with PyTorch's, each as a share of the largest number in it. Gradients (in training mode, without dropout) are
compared with PyTorch's in double, likewise; beside them stand PyTorch's own in float. `--exact` does without Winograd, which rounds
more coarsely.

At a kink rounding decides which slope is right, and one such place among millions shows in every tensor before it, most in the
gradient of the input. So biases are set, layer by layer, such that nothing an activation is given for these inputs lies near its
kinks, though each channel has numbers on both sides. A tie of the largest two in a window of a max pool decides as a kink does: filters
are changed a little until there is none. While a gradient is out of bound all the same there are further rounds, each with other weights
and inputs, and a tensor counts with the round in which it is nearest. A mistake is in all of them. `--mean-pools` compares networks whose
max pools are mean pools on both sides.

Prints a table; exit code 1 where outputs are off by more than 1e-4 or gradients by more than 1e-3.
"""
import argparse
import copy
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torchvision.models.resnet import Bottleneck

import detectors
import faces
import pictures
import twins
from layers import Canvas, LocalConv

TWINS = twins.TWINS | pictures.TWINS | faces.TWINS | detectors.TWINS
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear, LocalConv)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Where activations bend, and how many places are tried for what comes to lie there.
KINKS = {
    **{function: (0.0,) for function in (F.relu, F.leaky_relu, torch.abs)},
    F.hardtanh: (0.0, 6.0),
    **{function: (-3.0, 3.0) for function in (F.hardswish, F.hardsigmoid)},
}
TRIES = 256
POOLS = {getattr(F, f"max_pool{axes}d{way}") for axes in "123" for way in ("", "_with_indices")}
# The largest two of a window are to differ by this share of what numbers are there, on average; in cells of regions, behind all layers
# of a trunk and their rounding, by the second.
APART, APART_IN_REGIONS = 2e-5, 1e-4
# So often are ties looked for.
PASSES = 500
SPECS = pathlib.Path(__file__).parents[2] / "specs"


def randomize(net):
    """Weights under which every layer's values are of the order of one, so that a wrong layer shows."""
    for layer in net.modules():
        if isinstance(layer, LocalConv):
            nn.init.normal_(layer.weight, std=(2 / layer.weight.shape[1]) ** 0.5)
        elif isinstance(layer, WEIGHTED):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, NORMS):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
        elif isinstance(layer, Canvas):
            nn.init.normal_(layer.weight)
        if isinstance(layer, (*WEIGHTED, *NORMS)) and layer.bias is not None:
            nn.init.normal_(layer.bias)
    # What a deep unit adds is less than what it passes on. Were it as much, rounding would grow with each of a hundred layers.
    units = [layer for layer in net.modules() if isinstance(layer, Bottleneck)]
    for unit in units:
        unit.bn3.weight.data *= 0.2 if len(units) < 40 else 0.1


def settle(twin, net, inputs):
    """Sets running statistics to those of these inputs, and biases so that activations are given nothing near their kinks."""
    norms = [layer for layer in net.train().modules() if isinstance(layer, NORMS)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # The batch's statistics become the running ones.
    frozen = [layer for layer in norms if not layer.training]
    with torch.no_grad():
        if frozen:  # They take running statistics, which must be there before biases can be moved.
            for layer in frozen:
                layer.train()
            twin.once(net, *inputs)
            for layer in norms:
                layer.eval() if layer in frozen else layer.reset_running_stats()
        away(twin, net, inputs, [layer for layer in norms if layer not in frozen])
    for layer in norms:
        layer.momentum = 0.0  # And stay.


def away(twin, net, inputs, norms=(), mode=None):
    """Biases and filters for which nothing is near a kink or a tie. The running statistics of `norms` are those of a single pass."""
    kept = {}
    for _ in range(PASSES):
        for layer in norms:
            layer.reset_running_stats()
        try:
            with (mode or AwayFromKinks)(net, kept):
                return twin.once(net, *inputs)
        except Tie as tie:
            kept = tie.kept
    sys.exit(f"there are ties after {PASSES} passes: where a network proposes its regions, these move with every change")


class Tie(Exception):
    """The largest two of a window were nearly the same, and filters have been changed. `kept` says what is as it was before: for layers,
    which of their channels."""

    def __init__(self, kept):
        self.kept = kept


class AwayFromKinks(TorchFunctionMode):
    """Moves each channel of what activations are given, by the bias of the layer before, until no number in it is near a kink. Where
    places have biases of their own, each place is a channel. Channels in `kept` have been moved.

    Raises `Tie` at a max pool with ties, after it has changed the filters of their channels."""

    def __init__(self, net, kept):
        super().__init__()
        self.kept, self.moved, self.sources = kept, [], {}
        self.filters, self.biased, self.hooks = None, None, []
        for layer in net.modules():
            if isinstance(layer, (*WEIGHTED, *NORMS)):
                self.hooks.append(layer.register_forward_hook(self.ran))

    def ran(self, layer, given, result):
        if isinstance(layer, WEIGHTED):
            self.filters = layer
        if layer.bias is not None:
            self.biased = layer

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in KINKS:
            self.move(args[0], KINKS[function])
        if function in PAIRS:
            least = APART if function in POOLS else APART_IN_REGIONS
            ties = self.ties(args[0], PAIRS[function](*args, **(kwargs or {})), least)
            if ties:
                raise self.part(ties)
        result = function(*args, **(kwargs or {}))
        if function in KINKS:
            made = [(self.biased, self.filters, channel) for channel in range(self.biased.bias.numel())]
            self.sources |= zip(marks(result), made)
        if function in POOLS:
            y = result[0] if isinstance(result, tuple) else result
            self.sources |= zip(marks(y), map(self.sources.get, marks(args[0])))
        return result

    def move(self, x, kinks):
        bias = self.biased.bias
        x = x.movedim(-1, 1) if isinstance(self.biased, nn.Linear) else x
        rows = x.flatten(1, bias.ndim).transpose(0, 1).flatten(1)
        by = torch.zeros(len(rows))
        free = ~self.kept.get(self.biased, torch.zeros(len(rows), dtype=torch.bool))
        by[free] = shifts(rows[free], kinks)
        by = by.view_as(bias)
        bias += by
        x.add_(by.view(*by.shape, *[1] * (x.ndim - 1 - by.ndim)))
        self.moved.append(self.biased)

    def ties(self, x, pairs, least):
        """The filters whose channels have ties: the largest two of a window are nearly the same."""
        first, second = pairs.unbind(-1)
        # Two that are equal are one, seen by two windows of the pool before, or zeros that the activation has made.
        apart = first - second
        tied = ((apart > 0) & (apart < least * x.abs().mean())).transpose(0, 1).flatten(1).any(1)
        sources = [self.sources.get(mark) for mark, tied in zip(marks(x), tied.tolist()) if tied]
        return [source for source in sources if source and isinstance(source[1], (nn.Conv1d, nn.Conv2d, nn.Conv3d))]

    def part(self, ties):
        for _, filters, channel in ties:
            self.change(filters.weight[channel])
        earliest = min(self.moved.index(biased) for biased, _, _ in ties)
        kept = {layer: torch.ones(layer.bias.numel(), dtype=torch.bool) for layer in self.moved[: earliest + 1]}
        for biased, _, channel in ties:
            if biased is self.moved[earliest]:
                kept[biased][channel] = False
        return Tie(kept)

    @staticmethod
    def change(weights):
        """Changes a filter a little."""
        weights *= 1 + 0.1 * torch.randn_like(weights)

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)


def of_windows(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest two of each window of a max pool, [images, channels, *windows, 2]."""
    axes = x.ndim - 2
    size, stride, padding = ([v] * axes if isinstance(v, int) else list(v) for v in (kernel_size, stride or kernel_size, padding))
    ends = [(p, p + (s - 1 if ceil_mode else 0)) for p, s in zip(padding, stride)]
    windows = F.pad(x, [end for ends in reversed(ends) for end in ends], value=-math.inf)
    for axis in range(axes):
        windows = windows.unfold(2 + axis, size[axis], stride[axis])
    return windows.flatten(2 + axes).topk(2).values


def of_regions(x, regions, scale, rows, columns):
    """The largest two of each cell of a RoI pool, [cells, channels, 2]; cells of one element have none."""
    def cells(start, end, count, most):
        start, end = round(start * scale), round(end * scale)
        size = max(end - start + 1, 1) / count
        places = [(start + math.floor(i * size), start + math.ceil((i + 1) * size)) for i in range(count)]
        return [(min(max(a, 0), most), min(max(b, 0), most)) for a, b in places]

    pairs = []
    for image, left, top, right, bottom in regions.tolist():
        for a, b in cells(top, bottom, rows, x.shape[2]):
            for c, d in cells(left, right, columns, x.shape[3]):
                if (b - a) * (d - c) > 1:
                    pairs.append(x[int(image), :, a:b, c:d].flatten(1).topk(2).values)
    return torch.stack(pairs) if pairs else x.new_zeros(1, x.shape[1], 2)


PAIRS = {pool: of_windows for pool in POOLS} | {torch.ops.torchvision.roi_pool: of_regions}


def marks(x):
    """A number for each channel by which it is found again."""
    return x.double().transpose(0, 1).flatten(1).sum(1).tolist()


def shifts(channels, kinks):
    """By how much to move each row so that a kink comes to lie between its lowest and its highest tenth, and all its numbers are as
    far from kinks as can be. Rows of a few numbers, which may be nearly the same, can have them all on one side."""
    rows, kinks = channels.contiguous().sort(1).values, torch.tensor(kinks)
    most = rows.shape[1] - 1
    beside = 0.01 * rows.abs().mean() if most < 10 else 0
    low, high = rows[:, [math.floor(0.1 * most)]] - beside, rows[:, [math.ceil(0.9 * most)]] + beside
    by = -(low + (high - low) * torch.rand(len(rows), TRIES))
    by += kinks[torch.randint(len(kinks), by.shape)]
    margins = []
    for kink in kinks:
        above = torch.searchsorted(rows, kink - by)
        margins += [(rows.gather(1, i.clamp(0, most)) + by - kink).abs() for i in (above - 1, above)]
    best = torch.stack(margins).amin(0).argmax(1, keepdim=True)
    return by.gather(1, best)[:, 0]


def outputs(twin, net, inputs):
    """In inference, by name."""
    with torch.no_grad():
        given = net.eval()(*inputs.values())
    return dict(zip(twin.outputs, given if isinstance(given, tuple) else (given,), strict=True))


def gradients(twin, net, inputs, targets):
    """The loss in training, and its gradient by every parameter that is not frozen and by every input, by name."""
    net.train().zero_grad()
    inputs = {name: x.clone().requires_grad_() for name, x in inputs.items()}
    loss = twin.loss(net, *inputs.values(), *targets.values())
    loss.backward()
    learnt = {k: p for k, p in net.named_parameters() if p.requires_grad}
    gradients = {k: torch.zeros_like(x) if x.grad is None else x.grad for k, x in (learnt | inputs).items()}
    return {"loss": loss.detach().reshape(1)} | gradients


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
    return max(((min(shares[k] for shares in rounds), k) for k in rounds[0]), default=(0, None))


def worst_of(got, exact):
    return max(((got[k] - y).abs().max() / y.abs().max()).item() for k, y in exact.items())


def pool_by_mean():
    """Has PyTorch's max pools take means. Their switches stay."""
    def changed(maximum, mean):
        def pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
            y = mean(x, kernel_size, stride, padding, ceil_mode)
            return (y, maximum(x, kernel_size, stride, padding, dilation, ceil_mode, True)[1]) if return_indices else y
        return pool
    for axes in "123":
        setattr(F, f"max_pool{axes}d", changed(getattr(F, f"max_pool{axes}d"), getattr(F, f"avg_pool{axes}d")))


def pooling_by_mean(name, folder):
    """How `cnnc` finds the spec whose max pools take means."""
    specs = shutil.copytree(SPECS, pathlib.Path(folder) / "specs")
    for spec in specs.rglob("*.net"):
        spec.write_text(re.sub(r"\bmax_pool\(", "avg_pool(", spec.read_text()))
    name, *options = name.split()
    plain = lambda net: net.replace("_", "").lower()
    nets = [(spec, net) for spec in specs.glob("*.net") for net in re.findall(r"^net (\w+)", spec.read_text(), re.M)]
    spec, net = next((spec, net) for spec, net in nets if plain(net) == plain(name))
    return [spec, *options] if "--net" in options else [spec, "--net", net, *options]


class Comparison:
    """A network of both sides with the same weights."""

    def __init__(self, name, given, folder):
        torch.manual_seed(0)
        self.twin, self.folder = TWINS[name], folder
        spec = pooling_by_mean(name, folder) if given.mean_pools else name.split()
        spec = [*spec, *[word for setting in self.twin.settings for word in ("--set", setting)]]
        summary = json.loads(subprocess.run([given.cnnc, "summary", *spec, "--json"], check=True, stdout=subprocess.PIPE).stdout)
        self.inputs, self.targets = summary["inputs"], summary["targets"]
        exact = ["--exact"] if given.exact else []
        gradients = ["--gradients", self.path("g")] if self.twin.loss else []
        files = ["--weights", self.path("w"), "--input", self.path("x"), "--output", self.path("y"), *gradients]
        self.command = [given.cnnc, "run", *spec, *exact, *files]
        self.net = self.twin.make()

    def path(self, name):
        return f"{self.folder}/{name}.safetensors"

    def draw(self, tensor):
        """What the twin gives for an input or target, else noise: of classes, or from 0 to 1 for what is wanted."""
        name, shape = tensor["name"], (self.twin.images, *tensor["shape"])
        if name in self.twin.given:
            return self.twin.given[name](shape)
        if "classes" in tensor:
            return torch.randint(tensor["classes"], shape)
        return torch.randn(shape) if tensor in self.inputs else torch.rand(shape)

    def round(self):
        """With weights and inputs of its own: how far outputs are off, and each gradient: ours, and PyTorch's in float."""
        inputs, targets = ({tensor["name"]: self.draw(tensor) for tensor in tensors} for tensors in (self.inputs, self.targets))
        save_file(inputs | {k: y if y.is_floating_point() else y.to(torch.int32) for k, y in targets.items()}, self.path("x"))
        randomize(self.net)
        settle(self.twin, self.net, inputs.values())
        save_file({k: v.contiguous() for k, v in self.net.state_dict().items()}, self.path("w"))
        subprocess.run(self.command, check=True)
        off = worst_of(load_file(self.path("y")), outputs(self.twin, self.net, inputs))
        if not self.twin.loss:
            return off, {}, {}
        theirs = gradients(self.twin, self.net, inputs, targets)
        inputs, targets = ({k: v.double() if v.is_floating_point() else v for k, v in x.items()} for x in (inputs, targets))
        exact = gradients(self.twin, copy.deepcopy(self.net).double(), inputs, targets)
        return off, shares(load_file(self.path("g")), exact), shares(theirs, exact)


def compare(name, given):
    """Prints a row of the table, and says whether all is within bounds. There is a further round only while a gradient is not."""
    offs, ours, theirs = rounds = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        both = Comparison(name, given, folder)
        while not offs or worst(ours)[0] > 1e-3 and len(offs) < given.rounds:
            for figures, figure in zip(rounds, both.round()):
                figures.append(figure)
    good = max(offs) <= 1e-4 and worst(ours)[0] <= 1e-3
    worsts = [f"{share:.1e} (`{tensor}`)" if tensor else "" for share, tensor in map(worst, (ours, theirs))]
    how = [f" `--{option.replace('_', '-')}`" for option in ("exact", "mean_pools") if getattr(given, option)]
    row = [f"`{name}`{''.join(how)}", f"{max(offs):.1e}", *worsts, str(len(offs))]
    print("| " + " | ".join(row) + " |" + ("" if good else " OFF"), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cnnc")
    parser.add_argument("names", nargs="*", default=list(TWINS))
    parser.add_argument("--rounds", type=int, default=3, help="at most so many")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--mean-pools", action="store_true")
    given = parser.parse_intermixed_args()
    if given.mean_pools:
        pool_by_mean()
    print("| network | outputs | gradients, the worst | PyTorch's own in float | rounds |\n|---|---:|---|---|---:|", flush=True)
    sys.exit(0 if all([compare(name, given) for name in given.names]) else 1)


if __name__ == "__main__":
    main()
