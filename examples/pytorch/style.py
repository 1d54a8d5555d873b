"""The twin of the program `style`: the same losses by PyTorch, from the pictures that it wrote, beside its curve.

usage: python examples/pytorch/style.py [runs/style] [--iterations 50] [--write FILE]

Run `cargo run --release --package cnnc-examples --bin style` first. Needs torch, numpy, pillow and safetensors. `--write` keeps
PyTorch's losses, which is how examples/tests/style_pytorch.csv was made: by `--iterations 6`.
"""
import argparse
import csv
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

WEIGHTS = pathlib.Path(__file__).parents[2] / "data/models/squeezenet1_0_features/squeezenet1_0_features.safetensors"
MEAN = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
CONTENT, SMOOTH = 0.004, 50.0
# Of the style at each place: so that all matter.
STYLE = [200.0, 2.0, 0.2, 0.1, 5.0]
ADAM_RATE = 4.0


def picture(path):
    """Blue, green, red from 0 to 255, less their means."""
    pixels = np.array(Image.open(path).convert("RGB"), dtype=np.float32)
    return (torch.from_numpy(pixels).permute(2, 0, 1).flip(0)[None] - MEAN).contiguous()


def taps(weights, x):
    """What SqueezeNet sees at five places of its way."""
    conv = lambda x, name, **more: F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **more).relu()

    def fire(x, name):
        x = conv(x, f"{name}.squeeze")
        return torch.cat([conv(x, f"{name}.expand1x1"), conv(x, f"{name}.expand3x3", padding=1)], 1)

    pool = lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)
    a = conv(x, "features.0", stride=2)
    b = fire(pool(a), "features.3")
    c = fire(b, "features.4")
    d = fire(pool(fire(c, "features.5")), "features.7")
    return a, b, c, d, fire(d, "features.8")


def style_loss(x, target):
    gram = lambda x: x[0].flatten(1) @ x[0].flatten(1).T
    return (gram(x) - gram(target)).square().sum() / (4 * x.numel() ** 2)


def losses(weights, photo, painting):
    """The loss as a function of the image."""
    with torch.no_grad():
        real, painted = taps(weights, photo)[2], taps(weights, painting)

    def loss(image):
        seen = taps(weights, image)
        content = (seen[2] - real).square().sum() / 2
        style = sum(share * style_loss(x, y) for share, x, y in zip(STYLE, seen, painted))
        rough = image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum()
        return CONTENT * content + style + SMOOTH * rough

    return loss


def curve(loss, image, optimizer, iterations):
    values = []

    def closure():
        optimizer.zero_grad()
        value = loss(image)
        value.backward()
        values.append(value.item())
        return value

    for _ in range(iterations):
        optimizer.step(closure)
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default="runs/style")
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="a table for PyTorch's losses")
    arguments = parser.parse_args()
    photo, painting = (picture(arguments.folder / f"{name}.png") for name in ("photo", "painting"))
    loss = losses(load_file(WEIGHTS), photo, painting)
    with open(arguments.folder / "losses.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    rules = {
        "Adam": lambda image: torch.optim.Adam([image], lr=ADAM_RATE),
        "L-BFGS": lambda image: torch.optim.LBFGS([image], lr=1, max_iter=1, history_size=10),
    }
    curves = {}
    for name, rule in rules.items():
        image = photo.clone().requires_grad_()
        expected = curves[name] = curve(loss, image, rule(image), arguments.iterations)
        got = [float(row[name]) for row in rows[: arguments.iterations]]
        worst = max(abs(g - e) / e for g, e in zip(got, expected, strict=True))
        print(f"{name}: {expected[0]:.6g} to {expected[-1]:.6g}; largest relative difference of the losses {worst:.1e}")
    if arguments.write:
        with open(arguments.write, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(curves)
            writer.writerows(zip(*curves.values(), strict=True))


if __name__ == "__main__":
    main()
