"""Makes the stored PyTorch results for LeNet-5 and the specs of specs/parity.

usage: python tests/parity/make.py [NAME...]    (needs: torch torchvision numpy safetensors; made with torch 2.15)

For each net NAME, whose class is in a file of tests/parity/nets, it writes NAME.weights.safetensors, NAME.input.safetensors
(inputs and targets, batch first) and NAME.expected.safetensors (outputs in inference mode; loss and gradients of every trained
weight and every input in training mode with dropout off). `cnnc run` takes the first two and must give the third.
"""
import copy
import pathlib
import sys

import torch
from safetensors.torch import save_file

from nets import NETS

here = pathlib.Path(__file__).parent


def make(name):
    for attempt in range(10):
        net, inputs, targets = draw(name, len(name) + 1000 * attempt)
        double = copy.deepcopy(net).double()
        expected = results(double, inputs, targets)
        if steady(double, inputs, targets, expected):
            break
    else:
        sys.exit(f"{name}: near a kink in ten draws")
    weights = {k: v.clone() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(weights, here / f"{name}.weights.safetensors")
    save_file({**inputs, **targets}, here / f"{name}.input.safetensors")
    save_file({k: v.float().contiguous() for k, v in expected.items()}, here / f"{name}.expected.safetensors")


def draw(name, seed):
    """A network, its inputs and its targets."""
    build, count, inputs, targets = NETS[name]
    torch.manual_seed(seed)
    net = build()
    for key, value in net.state_dict().items():  # statistics that are not the ones a new net has
        if key.endswith("running_mean"):
            value.normal_(0, 0.2)
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    inputs = {k: f(count) for k, f in inputs.items()}
    return net, inputs, {k: f(count) for k, f in targets.items()}


def results(net, inputs, targets):
    """What is expected, in double precision, so that the numbers are exact to float32."""
    net = copy.deepcopy(net)
    inputs = {k: v.double().requires_grad_() for k, v in inputs.items()}
    targets = {k: v.double() if v.is_floating_point() else v for k, v in targets.items()}
    net.eval()
    expected = {k: v.detach().clone() for k, v in net(*inputs.values()).items()}
    net.train()
    loss = net.loss(net(*inputs.values()), *targets.values())
    loss.backward()
    expected["loss"] = loss.detach()
    expected |= {f"grad.{k}": p.grad for k, p in net.named_parameters() if p.requires_grad}
    return expected | {f"grad.{k}": v.grad for k, v in inputs.items()}


def steady(net, inputs, targets, expected):
    """Whether no result jumps where weights and inputs move by a little more than rounding does: the largest element of a window,
    the sign of an operand or the assignment of a box that hangs by a hair would be another one in single precision."""
    for seed in range(3):
        moved = copy.deepcopy(net)
        generator = torch.Generator().manual_seed(seed)
        near = lambda x: x + 2e-6 * torch.randn(x.shape, generator=generator, dtype=torch.double)
        with torch.no_grad():
            for weight in moved.parameters():
                weight.copy_(near(weight))
        others = results(moved, {k: near(v.double()) for k, v in inputs.items()}, targets)
        for key, value in expected.items():
            if (others[key] - value).abs().max() > 1e-3 * value.abs().max().clamp(min=1e-6):
                return False
    return True


if __name__ == "__main__":
    for name in sys.argv[1:] or NETS:
        make(name)
