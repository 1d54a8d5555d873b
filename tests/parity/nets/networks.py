"""Whole networks in small, as papers have them."""
import torch
from torch import nn
from torch.nn import functional as F

from .draws import classes, floats, unit


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.dense1, self.dense2, self.dense3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, image):
        x = F.avg_pool2d(torch.tanh(self.conv1(image)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.dense2(torch.tanh(self.dense1(x.flatten(1)))))
        self.logits = self.dense3(x)
        return {"probabilities": self.logits.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.c2 = nn.Conv2d(8, 12, (3, 2), bias=False)
        self.c3 = nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=4)
        self.f1, self.f2 = nn.Linear(12 * 4 * 3, 24), nn.Linear(24, 7)

    def forward(self, image):
        x = F.relu(self.c1(image))
        x = F.leaky_relu(self.c2(F.pad(x, (0, 1, 1, 2))), 0.1)
        x = F.max_pool2d(F.relu(self.c3(x)), 3, 2, 1)
        self.logits = self.f2(torch.sigmoid(self.f1(x.flatten(1))))
        return {"probabilities": self.logits.softmax(1), "features": x}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Unit(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o, eps=1e-4, momentum=0.2)
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layer1, self.layer2 = nn.Sequential(Unit(8, 8, 1)), nn.Sequential(Unit(8, 16, 2))
        self.norm, self.fc = nn.BatchNorm1d(16), nn.Linear(16, 5, bias=False)

    def forward(self, image):
        x = self.layer2(self.layer1(self.stem(image)))
        self.logits = self.fc(self.norm(x.mean((2, 3))))
        return {"probabilities": self.logits.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.b1 = nn.Conv2d(4, 5, 1)
        self.b2a, self.b2b = nn.Conv2d(4, 3, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.b3a, self.b3b = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 5, padding=2)
        self.b4 = nn.Conv2d(4, 3, 1)
        self.head, self.aux = nn.Linear(18, 6), nn.Linear(18 * 25, 6)

    def forward(self, image):
        a = F.relu(self.b1(image))
        b = F.relu(self.b2b(F.relu(self.b2a(image))))
        c = F.relu(self.b3b(F.relu(self.b3a(image))))
        d = F.relu(self.b4(F.max_pool2d(image, 3, 1, 1)))
        self.x = F.avg_pool2d(torch.cat([a, b, c, d], 1), 2)
        self.main = self.head(self.x.amax((2, 3)))
        return {"probabilities": self.main.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.main, label) + 0.3 * F.cross_entropy(self.aux(self.x.flatten(1)), label)


class Classic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 5, stride=2), nn.Conv2d(16, 24, 3, padding=1, groups=2)
        self.fc = nn.Linear(24 * 3 * 3, 6)

    def forward(self, image):
        x = F.local_response_norm(F.relu(self.conv1(image)), 5, 0.05, 0.75, 2.0)
        x = F.local_response_norm(F.relu(self.conv2(F.max_pool2d(x, 3, 2))), 4, 0.5, 0.6)
        return {"scores": self.fc(F.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1))}

    def loss(self, out, label):
        return F.cross_entropy(out["scores"], label)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1, self.enc2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 32, 3, stride=2, padding=1)
        self.up1 = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(24, 12, (2, 3), stride=(1, 2), dilation=(2, 1), groups=3, bias=False)
        self.head = nn.ConvTranspose2d(12, 1, 1)

    def forward(self, image):
        skip = F.relu(self.enc1(image))
        up = F.relu(self.up1(F.relu(self.enc2(skip))))
        return {"map": torch.sigmoid(self.head(self.up2(torch.cat([up, skip], 1))))}

    def loss(self, out, wanted):
        return F.binary_cross_entropy(out["map"], wanted)


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.expand, self.norm1 = nn.Conv2d(12, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.depth, self.norm2 = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16)
        self.project = nn.Conv2d(16, 8, 1)
        self.fc1, self.fc2 = nn.Linear(2, 12), nn.Linear(12, 5)

    def forward(self, image):
        x = F.hardswish(self.norm1(self.expand(F.pixel_unshuffle(image, 2))))
        x = F.hardswish(self.norm2(self.depth(x)))
        x = F.pixel_shuffle(F.hardswish(self.project(x)), 2)
        self.logits = self.fc2(F.hardswish(self.fc1(x.mean((2, 3)))))
        return {"probabilities": self.logits.softmax(1), "features": x}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3), nn.Linear(72, 10)
        for p in self.conv1.parameters():
            p.requires_grad_(False)

    def forward(self, x):
        return self.fc(F.leaky_relu(self.conv2(F.avg_pool2d(F.relu(self.conv1(x)), 2))).flatten(1))


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower, self.head = Tower(), nn.Linear(10, 1)

    def forward(self, left, right):
        a, b = self.tower(left), self.tower(right)
        return {"embedding": a, "same": torch.sigmoid(self.head((a - b) ** 2))}

    def loss(self, out, wanted):
        return F.binary_cross_entropy(out["same"], wanted)


NETS = {
    "lenet5": (LeNet5, 8, {"image": floats(1, 28, 28)}, {"label": classes(10)}),
    "plain": (Plain, 5, {"image": floats(3, 13, 12)}, {"label": classes(7)}),
    "residual": (Residual, 6, {"image": floats(3, 12, 12)}, {"label": classes(5)}),
    "branches": (Branches, 4, {"image": floats(4, 10, 10)}, {"label": classes(6)}),
    "classic": (Classic, 3, {"image": floats(3, 31, 31)}, {"label": classes(6)}),
    "decoder": (Decoder, 3, {"image": floats(3, 12, 10)}, {"wanted": unit(1, 14, 21)}),
    "mobile": (Mobile, 5, {"image": floats(3, 10, 12)}, {"label": classes(5)}),
    "twins": (Twins, 4, {"left": floats(1, 12, 12), "right": floats(1, 12, 12)}, {"wanted": unit(1)}),
}
