"""The recipe of the program `digits` in PyTorch: LeNet-5 on the digits that ship, or on all of MNIST.

python3 examples/pytorch/digits.py [--data FOLDER] [--seeds 1 2 3]
"""

import argparse
import gzip
import math
import pathlib

import numpy
import torch
from torch import nn

SHIPPED = pathlib.Path(__file__).parent / "../../data/mnist"
BATCH = 32
EPOCHS = 12


def idx(path, header):
    return numpy.frombuffer(gzip.open(path).read(), numpy.uint8, offset=header).copy()


def digits(folder, part):
    images = torch.from_numpy(idx(folder / f"{part}-images-idx3-ubyte.gz", 16)).view(-1, 1, 28, 28)
    labels = torch.from_numpy(idx(folder / f"{part}-labels-idx1-ubyte.gz", 8)).long()
    return (images / 255 - 0.1307) / 0.3081, labels


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )


def learn(train, test, seed):
    torch.manual_seed(seed)
    net = lenet5()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    steps = EPOCHS * math.ceil(len(train[1]) / BATCH)
    factor = lambda step: 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(train[1])).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(train[0][batch]), train[1][batch]).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return (net(test[0]).argmax(1) == test[1]).double().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, help="a folder with all of MNIST in its folder `mnist`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if arguments.data:
        train, test = digits(arguments.data / "mnist", "train"), digits(arguments.data / "mnist", "t10k")
    else:
        images, labels = digits(SHIPPED, "t10k")
        train, test = (images[:9000], labels[:9000]), (images[9000:], labels[9000:])
    for seed in arguments.seeds:
        print(f"seed {seed}: accuracy {100 * learn(train, test, seed):.2f} %")


if __name__ == "__main__":
    main()
