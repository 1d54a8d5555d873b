"""The networks every engine is timed on, as torch modules whose tensors have the names of our specs."""
import dataclasses
import json
import typing

import torch
import torchvision.models as tv
from torch import nn
from torch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.dense1, self.dense2, self.dense3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.dense3(torch.tanh(self.dense2(torch.tanh(self.dense1(x.flatten(1))))))


class ZeroPadded(nn.Module):
    """A shortcut without weights: every second pixel between channels of zeros (option A of He et al. 2016)."""

    def __init__(self, more):
        super().__init__()
        self.more = more // 2

    def forward(self, x):
        return F.pad(F.max_pool2d(x, 1, 2), (0, 0, 0, 0, self.more, self.more))


class ResNet20(nn.Module):
    """For CIFAR; the blocks are those of torchvision."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = self.stage(16, 16), self.stage(16, 32), self.stage(32, 64)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def stage(i, o):
        first = tv.resnet.BasicBlock(i, o, o // i, ZeroPadded(o - i) if i != o else None)
        return nn.Sequential(first, tv.resnet.BasicBlock(o, o), tv.resnet.BasicBlock(o, o))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Unit(nn.Module):
    """A convolution of Darknet."""

    def __init__(self, i, o, window):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(i, o, window, padding=window // 2, bias=False), nn.BatchNorm2d(o)

    def forward(self, x):
        return F.leaky_relu(self.bn(self.conv(x)), 0.1)


class YoloV2(nn.ModuleDict):
    WIDTHS = [3, 32, 64, 128, 64, 128, 256, 128, 256, 512, 256, 512, 256, 512, 1024, 512, 1024, 512, 1024, 1024, 1024]
    NARROW = {4, 7, 10, 12, 15, 17}
    POOLED = {1, 2, 5, 8}

    def __init__(self):
        super().__init__()
        for i, (given, wide) in enumerate(zip(self.WIDTHS, self.WIDTHS[1:]), 1):
            self[str(i)] = Unit(given, wide, 1 if i in self.NARROW else 3)
        self["21"], self["22"], self["23"] = Unit(512, 64, 1), Unit(1280, 1024, 3), nn.Conv2d(1024, 425, 1)

    def forward(self, x):
        for i in range(1, 14):
            x = self[str(i)](x)
            if i in self.POOLED:
                x = F.max_pool2d(x, 2)
        passed, x = F.pixel_unshuffle(self["21"](x), 2), F.max_pool2d(x, 2)
        for i in range(14, 21):
            x = self[str(i)](x)
        return self["23"](self["22"](torch.cat([passed, x], 1)))


class TinyYoloV2(nn.ModuleDict):
    WIDTHS = [3, 16, 32, 64, 128, 256, 512, 1024, 1024]

    def __init__(self):
        super().__init__()
        for i, (given, wide) in enumerate(zip(self.WIDTHS, self.WIDTHS[1:]), 1):
            self[str(i)] = Unit(given, wide, 3)
        self["9"] = nn.Conv2d(1024, 125, 1)

    def forward(self, x):
        for i in range(1, 9):
            x = self[str(i)](x)
            if i < 6:
                x = F.max_pool2d(x, 2)
            elif i == 6:  # The last pool moves by one, with padding below and to the right.
                x = F.max_pool2d(x, 2, 1, padding=1)[:, :, 1:, 1:]
        return self["9"](x)


@dataclasses.dataclass
class Network:
    build: typing.Callable[[], nn.Module]
    image: tuple
    """Channels, height, width."""
    output: str
    """The spec's name of what is compared; `probabilities` are what softmax makes of the module's value."""
    settings: tuple = ()
    """Values of the spec's parameters."""


NETWORKS = {
    "lenet5": Network(LeNet5, (1, 28, 28), "probabilities"),
    "resnet20": Network(ResNet20, (3, 32, 32), "logits"),
    "alexnet": Network(tv.alexnet, (3, 224, 224), "logits"),
    "vgg16": Network(tv.vgg16, (3, 224, 224), "logits"),
    # Neither side has the heads in the middle, which serve training alone.
    "googlenet": Network(lambda: tv.googlenet(aux_logits=False, init_weights=False), (3, 224, 224), "logits", ("heads=0",)),
    "resnet18": Network(tv.resnet18, (3, 224, 224), "logits"),
    "resnet50": Network(tv.resnet50, (3, 224, 224), "logits"),
    "tiny_yolo_v2": Network(TinyYoloV2, (3, 416, 416), "map"),
    "yolo_v2": Network(YoloV2, (3, 416, 416), "map"),
}


def initial_state(name):
    """Random weights under which every layer's values are of the order of one, so that a wrong layer shows in the output."""
    torch.manual_seed(0)
    net = NETWORKS[name].build()
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            layer.momentum = None  # Running statistics become those of the one batch below.
    with torch.no_grad():
        net.train()(torch.randn(4, *NETWORKS[name].image))
    return net.state_dict()


def module(name, weights, train=False):
    """The module with weights from a safetensors file; for inference, it ends in what the spec puts out."""
    with torch.device("meta"):
        net = NETWORKS[name].build()
    net.to_empty(device="cpu")
    with open(weights, "rb") as file:  # Read in place: a mapped file would count as memory of the process.
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for key, value in net.state_dict().items():
            file.seek(8 + length + header[key]["data_offsets"][0])
            file.readinto(value.numpy())
    if not train and NETWORKS[name].output == "probabilities":
        net = nn.Sequential(net, nn.Softmax(1))
    return net.train(train)


loss = F.cross_entropy
"""What the specs that are trained here learn by."""
