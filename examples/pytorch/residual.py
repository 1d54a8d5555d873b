"""The recipe of `residual --data` in PyTorch: python examples/pytorch/residual.py FOLDER [--units 5] [--plain] [--seeds 3]

FOLDER has `cifar10/train_8000.bin.gz` and `cifar10/test_2000.bin.gz`. The network, its first weights, the optimizer, the schedule
and the augmentation are those of examples/src/bin/residual.rs and examples/nets/residual.net.
"""

import argparse
import gzip
import math
import pathlib

import numpy
import torch
from torch import nn
from torch.nn import functional as F

BATCH = 64


class Pair(nn.Module):
    """Two convolutions, with a shortcut without weights around them or without one."""

    def __init__(self, channels, width, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.more, self.shortcut = stride, (width - channels) // 2, shortcut

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut:
            y = y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return F.relu(y)


def network(units, shortcuts):
    layers = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for stage, width in enumerate([16, 32, 64]):
        for unit in range(units):
            layers.append(Pair(channels, width, 2 if stage > 0 and unit == 0 else 1, shortcuts))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    net = nn.Sequential(*layers)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(net[-1].bias)
    return net


def read(path):
    records = numpy.frombuffer(gzip.open(path).read(), numpy.uint8).reshape(-1, 3073)
    pixels = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy()).float() / 255
    return pixels, torch.from_numpy(records[:, 0].astype(numpy.int64))


def augmented(pixels):
    """Mirrored as often as not, and shifted by up to four pixels; black comes in."""
    padded = F.pad(pixels, (4, 4, 4, 4))
    pieces = []
    for image in padded:
        x, y = torch.randint(0, 9, (2,)).tolist()
        piece = image[:, y : y + 32, x : x + 32]
        pieces.append(piece.flip(2) if torch.rand(()) < 0.5 else piece)
    return torch.stack(pieces)


def normalised(pixels):
    return (pixels - 0.5) / 0.25


def factor(step, steps_per_epoch, steps):
    """A cosine to 0, under a warm-up of an epoch."""
    warmup = min((step + 1) / steps_per_epoch, 1)
    return warmup * 0.5 * (1 + math.cos(math.pi * step / steps))


def run(train, test, arguments, seed):
    torch.manual_seed(seed)
    net = network(arguments.units, not arguments.plain)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    pixels, labels = train
    per_epoch = math.ceil(len(labels) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: factor(step, per_epoch, per_epoch * arguments.epochs)
    )
    for _ in range(arguments.epochs):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(labels)).split(BATCH):
            loss = F.cross_entropy(net(normalised(augmented(pixels[batch]))), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
    net.eval()
    with torch.no_grad():
        right = sum((net(normalised(x)).argmax(1) == y).sum().item() for x, y in zip(test[0].split(500), test[1].split(500)))
    accuracy = 100 * right / len(test[1])
    print(f"seed {seed}: loss of the last epoch {total / len(labels):.3f}, held out {accuracy:.2f} %", flush=True)
    return accuracy


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--units", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="without shortcuts")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    folder = arguments.folder / "cifar10"
    train, test = read(folder / "train_8000.bin.gz"), read(folder / "test_2000.bin.gz")
    accuracies = [run(train, test, arguments, seed) for seed in range(1, arguments.seeds + 1)]
    print(f"mean of {len(accuracies)}: {sum(accuracies) / len(accuracies):.2f} %")


if __name__ == "__main__":
    main()
