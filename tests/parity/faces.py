"""The networks of specs/ that see faces and pairs in PyTorch, written after the papers, with the spec's names: see twins.py."""
import torch
from torch import nn
from torch.nn import functional as F

from layers import LocalConv
from twins import Flat, Twin, named


def reduced(i, narrow, o, k, stride=1):
    """`same` padding: of what a stride of 2 leaves over, the odd pixel goes behind."""
    total = max(k - stride, 0)
    pad = nn.ZeroPad2d((total // 2, total - total // 2) * 2)
    return named(("reduce", nn.Conv2d(i, narrow, 1)), nn.ReLU(), pad, ("conv", nn.Conv2d(narrow, o, k, stride)), nn.ReLU())


class FaceInception(nn.Module):
    def __init__(self, i, n1, r3, n3, r5, n5, pool, l2=True):
        super().__init__()
        self.conv1, self.branch3, self.branch5 = nn.Conv2d(i, n1, 1), reduced(i, r3, n3, 3), reduced(i, r5, n5, 5)
        self.proj, self.l2 = nn.Conv2d(i, pool, 1), l2

    def forward(self, x):
        pooled = F.avg_pool2d(x * x, 3, 1, 1).add(1e-12).sqrt() if self.l2 else F.max_pool2d(x, 3, 1, 1)
        return torch.cat([F.relu(self.conv1(x)), self.branch3(x), self.branch5(x), F.relu(self.proj(pooled))], 1)


class FaceReduction(nn.Module):
    def __init__(self, i, r3, n3, r5, n5):
        super().__init__()
        self.branch3, self.branch5 = reduced(i, r3, n3, 3, 2), reduced(i, r5, n5, 5, 2)

    def forward(self, x):
        pooled = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        return torch.cat([self.branch3(x), self.branch5(x), pooled], 1)


class FaceNet(nn.Module):
    def __init__(self):
        super().__init__()
        lrn = lambda: nn.LocalResponseNorm(5)
        rows = [("a", 256, 96, 192), ("b", 224, 112, 224), ("c", 192, 128, 256), ("d", 160, 144, 288)]
        self.tower = named(
            ("conv1", nn.Conv2d(3, 64, 7, 2, 3)), nn.ReLU(), nn.MaxPool2d(3, 2, 1), lrn(), ("inception2", reduced(64, 64, 192, 3)),
            lrn(), nn.MaxPool2d(3, 2, 1), ("inception3a", FaceInception(192, 64, 96, 128, 16, 32, 32, l2=False)),
            ("inception3b", FaceInception(256, 64, 96, 128, 32, 64, 64)), ("inception3c", FaceReduction(320, 128, 256, 32, 64)),
            *[(f"inception4{row}", FaceInception(640, n1, r3, n3, 32, 64, 128)) for row, n1, r3, n3 in rows],
            ("inception4e", FaceReduction(640, 160, 256, 64, 128)), ("inception5a", FaceInception(1024, 384, 192, 384, 48, 128, 128)),
            ("inception5b", FaceInception(1024, 384, 192, 384, 48, 128, 128, l2=False)), Flat(), ("fc", nn.Linear(1024, 128)))

    def forward(self, anchor, positive, negative):
        return F.normalize(self.tower(anchor))

    def loss(self, *pictures):
        anchor, same, other = (F.normalize(self.tower(x)) for x in pictures)
        distance = lambda x: ((anchor - x) ** 2).sum(1)
        return F.relu(distance(same) - distance(other) + 0.2).mean()


class DeepFace(nn.Module):
    def __init__(self):
        super().__init__()
        local = lambda c, k, places, stride=1: LocalConv(c, 16, (k, k), (places, places), stride, 1)
        self.tower = named(("C1", nn.Conv2d(3, 32, 11)), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
                           ("C3", nn.Conv2d(32, 16, 9)), nn.ReLU(), ("L4", local(16, 9, 55)), nn.ReLU(),
                           ("L5", local(16, 7, 25, 2)), nn.ReLU(), ("L6", local(16, 5, 21)), nn.ReLU(), nn.Flatten(),
                           ("F7", nn.Linear(7056, 4096)), nn.ReLU())
        self.F8 = nn.Linear(4096, 4030)

    def forward(self, x):
        x = self.tower(x)
        return self.F8(x), F.normalize(x)


class Pair(nn.Module):
    """How likely two pictures show the same: differences of what one tower sees in them, weighted."""

    def __init__(self, tower, features):
        super().__init__()
        self.tower, self.head = tower, nn.Linear(features, 1)

    def forward(self, left, right):
        return self.compared(self.tower(left), self.tower(right))

    def compared(self, a, b):
        return self.head((a - b).abs()).sigmoid()

    def loss(self, left, right, wanted):
        return F.binary_cross_entropy(self.compared(self.tower(left), self.tower(right)), wanted)


class Siamese(Pair):
    def __init__(self):
        tower = named(("conv1", nn.Conv2d(1, 16, 5)), nn.ReLU(), nn.MaxPool2d(2), ("conv2", nn.Conv2d(16, 32, 5)), nn.ReLU(),
                      nn.MaxPool2d(2), nn.Flatten(), ("dense1", nn.Linear(512, 64)))
        super().__init__(tower, 64)

    def forward(self, left, right):
        a = self.tower(left)
        return a, self.compared(a, self.tower(right))


def deepface_siamese():
    tower = DeepFace().tower
    return Pair(tower.requires_grad_(False), 4096)


def siamese_koch():
    layers = []
    for n, (i, o, k) in enumerate([(1, 64, 10), (64, 128, 7), (128, 128, 4), (128, 256, 4)], 1):
        layers += [(f"conv{n}", nn.Conv2d(i, o, k)), nn.ReLU(), *([nn.MaxPool2d(2)] if n < 4 else [])]
    return Pair(named(*layers, nn.Flatten(), ("fc", nn.Linear(9216, 4096)), nn.Sigmoid()), 4096)


class Landmarks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 20, 4), nn.Conv2d(20, 40, 3), nn.Conv2d(40, 60, 3)
        self.conv4, self.fc1, self.fc2 = nn.Conv2d(60, 80, 2), nn.Linear(320, 120), nn.Linear(120, 11)

    def forward(self, x):
        # The tangent of the absolute value is the absolute value of the tangent, and its kink is where the bias is known.
        bent = lambda x: torch.abs(x).tanh()
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.max_pool2d(bent(conv(x)), 2)
        x = self.fc2(bent(self.fc1(bent(self.conv4(x)).flatten(1))))
        return torch.cat([x[:, :1].sigmoid(), x[:, 1:]], 1)

    def loss(self, x, wanted):
        y = self(x)
        squares = ((y - wanted) ** 2)[:, 1:].sum(1)
        return F.binary_cross_entropy(y[:, 0], wanted[:, 0]) + (wanted[:, 0] * squares).mean()


def towers(net, *pictures):
    """All pictures through the one tower."""
    net.tower(torch.cat(pictures))


TWINS = {
    "facenet": Twin(FaceNet, ("embedding",), loss=FaceNet.loss, once=towers),
    "deepface": Twin(DeepFace, ("logits", "embedding"), loss=lambda net, x, person: F.cross_entropy(net(x)[0], person)),
    "deepface --net DeepFaceSiamese": Twin(deepface_siamese, ("same",), loss=Pair.loss, once=towers),
    "siamese": Twin(Siamese, ("embedding", "same"), loss=Pair.loss, once=towers),
    "siamese_koch": Twin(siamese_koch, ("same",), loss=Pair.loss, once=towers),
    "landmarks": Twin(Landmarks, ("answer",), loss=Landmarks.loss),
}
