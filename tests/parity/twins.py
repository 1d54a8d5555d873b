"""The networks of specs/ in PyTorch: torchvision's where it has them, else written here after the paper, with the spec's names.

Those that show or make pictures are in pictures.py, those of faces and pairs in faces.py, those that find objects in detectors.py.
`TWINS` has what counts.py and full_size.py need, by what `cnnc` is told: the name of a spec, and perhaps options.
"""
import dataclasses
from collections import OrderedDict

import torch
import torchvision.models as tv
import torchvision.ops
from torch import nn
from torch.nn import functional as F

from layers import Scale, same_pad


def cross_entropy(net, x, label):
    return F.cross_entropy(net(x), label)


def likelihood(net, x, label):
    """Cross entropy of a network that gives probabilities."""
    return F.nll_loss(net(x).log(), label)


def with_heads(share, *heads):
    """Cross entropy of a classifier and, at a share, of those in its middle."""
    def loss(net, x, label):
        y = net(x)
        return F.cross_entropy(y.logits, label) + share * sum(F.cross_entropy(getattr(y, head), label) for head in heads)
    return loss


@dataclasses.dataclass
class Twin:
    """A network of both sides."""

    make: object
    """Gives a module from the spec's inputs, by position, to those of its outputs that are named here."""
    outputs: tuple = ("logits",)
    loss: object = cross_entropy
    """Of the module, in training, and the spec's inputs and targets; none where the spec has none."""
    settings: tuple = ()
    """Values of the spec's parameters with which both are the same network."""
    given: dict = dataclasses.field(default_factory=dict)
    """Functions from shape to tensor, for inputs and targets that are not noise."""
    images: int = 2
    """Of a batch; normalisation of a few numbers each has hardly a slope, so small maps need more images."""
    once: object = lambda net, *inputs: net(*inputs)
    """Calls every layer that has biases once, with all it is given in the loss."""


def named(*layers):
    """Layers in a row: (name, module) for those with weights."""
    return nn.Sequential(OrderedDict(l if isinstance(l, tuple) else (f"_{i}", l) for i, l in enumerate(layers)))


class Flat(nn.Module):
    """The mean over space."""

    def forward(self, x):
        return x.flatten(2).mean(2)


class Cifar(nn.Module):
    """Residual networks of 6 * units + 2 layers whose shortcuts have no weights."""

    def __init__(self, units):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = (self.stage(units, *sizes) for sizes in ((16, 16), (16, 32), (32, 64)))
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def stage(units, given, width):
        shortcut = ZeroPadded(width - given) if width > given else None
        first = tv.resnet.BasicBlock(given, width, width // given, shortcut)
        return nn.Sequential(first, *[tv.resnet.BasicBlock(width, width) for _ in range(1, units)])

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class ZeroPadded(nn.Module):
    """Every second pixel between channels of zeros: option A of He et al. 2016."""

    def __init__(self, more):
        super().__init__()
        self.more = more // 2

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))


class Preact(nn.Module):
    def __init__(self, i, width, stride):
        super().__init__()
        step = lambda i, o, k, s=1: named(("bn", nn.BatchNorm2d(i)), nn.ReLU(), ("conv", nn.Conv2d(i, o, k, s, k // 2, bias=False)))
        for n, s in (("1", step(i, width, 1, stride)), ("2", step(width, width, 3)), ("3", step(width, 4 * width, 1))):
            self.add_module(n, s)
        self.shortcut = nn.Conv2d(i, 4 * width, 1, stride, bias=False) if i != 4 * width else nn.Identity()

    def forward(self, x):
        y = x
        for n in "123":
            y = getattr(self, n)(y)
        return y + self.shortcut(x)


def preact_resnet(units=18):
    stages, i = [], 16
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        row = []
        for n in range(units):
            row.append(Preact(i, width, 2 if stage > 1 and n == 0 else 1))
            i = 4 * width
        stages.append((f"layer{stage}", nn.Sequential(*row)))
    return named(("conv1", nn.Conv2d(3, 16, 3, padding=1, bias=False)), *stages, ("bn", nn.BatchNorm2d(256)), nn.ReLU(),
                 Flat(), ("fc", nn.Linear(256, 10)))


def mobilenet_v1():
    conv = lambda i, o, k, stride=1, groups=1: named(
        ("0", nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)), ("1", nn.BatchNorm2d(o)))
    units, i = [("conv", conv(3, 32, 3, 2)), nn.ReLU()], 32
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for n, (width, stride) in enumerate(widths, 1):
        unit = named(("depthwise", conv(i, i, 3, stride, i)), nn.ReLU(), ("pointwise", conv(i, width, 1)), nn.ReLU())
        units.append((f"unit{n}", unit))
        i = width
    return named(*units, Flat(), ("fc", nn.Linear(1024, 1000)))


def nin():
    mlpconv = lambda i, a, k, b, c: named(("conv", nn.Conv2d(i, a, k, padding=k // 2)), nn.ReLU(), ("cccp1", nn.Conv2d(a, b, 1)),
                                          nn.ReLU(), ("cccp2", nn.Conv2d(b, c, 1)), nn.ReLU())
    return named(("mlpconv1", mlpconv(3, 192, 5, 160, 96)), nn.MaxPool2d(3, 2, ceil_mode=True),
                 ("mlpconv2", mlpconv(96, 192, 5, 192, 192)), nn.AvgPool2d(3, 2, ceil_mode=True),
                 ("mlpconv3", mlpconv(192, 192, 3, 192, 10)), Flat())


def alexnet_paper():
    lrn = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2)
    return named(("conv1", nn.Conv2d(3, 96, 11, 4)), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
                 ("conv2", nn.Conv2d(96, 256, 5, padding=2, groups=2)), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
                 ("conv3", nn.Conv2d(256, 384, 3, padding=1)), nn.ReLU(),
                 ("conv4", nn.Conv2d(384, 384, 3, padding=1, groups=2)), nn.ReLU(),
                 ("conv5", nn.Conv2d(384, 256, 3, padding=1, groups=2)), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
                 ("fc6", nn.Linear(9216, 4096)), nn.ReLU(), ("fc7", nn.Linear(4096, 4096)), nn.ReLU(),
                 ("fc8", nn.Linear(4096, 1000)))


def overfeat_fast():
    return named(("conv1", nn.Conv2d(3, 96, 11, 4)), nn.ReLU(), nn.MaxPool2d(2), ("conv2", nn.Conv2d(96, 256, 5)), nn.ReLU(),
                 nn.MaxPool2d(2), ("conv3", nn.Conv2d(256, 512, 3, padding=1)), nn.ReLU(),
                 ("conv4", nn.Conv2d(512, 1024, 3, padding=1)), nn.ReLU(), ("conv5", nn.Conv2d(1024, 1024, 3, padding=1)),
                 nn.ReLU(), nn.MaxPool2d(2), ("full6", nn.Conv2d(1024, 3072, 6)), nn.ReLU(),
                 ("full7", nn.Conv2d(3072, 4096, 1)), nn.ReLU(), ("full8", nn.Conv2d(4096, 1000, 1)))


def c3d():
    conv = lambda name, i, o: ((name, nn.Conv3d(i, o, 3, padding=1)), nn.ReLU())
    return named(*conv("conv1a", 3, 64), nn.MaxPool3d((1, 2, 2)), *conv("conv2a", 64, 128), nn.MaxPool3d(2),
                 *conv("conv3a", 128, 256), *conv("conv3b", 256, 256), nn.MaxPool3d(2), *conv("conv4a", 256, 512),
                 *conv("conv4b", 512, 512), nn.MaxPool3d(2), *conv("conv5a", 512, 512), *conv("conv5b", 512, 512),
                 nn.MaxPool3d(2, padding=(0, 1, 1)), nn.Flatten(), ("fc6", nn.Linear(8192, 4096)), nn.ReLU(),
                 ("fc7", nn.Linear(4096, 4096)), nn.ReLU(), ("fc8", nn.Linear(4096, 487)))


class Beat(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(32, 32, 5, padding=2), nn.Conv1d(32, 32, 5, padding=2)

    def forward(self, x):
        return F.max_pool1d(F.relu(self.conv2(F.relu(self.conv1(x))) + x), 5, 2)


def heartbeat():
    return named(("stem", nn.Conv1d(1, 32, 5)), *[(f"unit{i}", Beat()) for i in range(1, 6)], nn.Flatten(),
                 ("fc1", nn.Linear(64, 32)), nn.ReLU(), ("fc2", nn.Linear(32, 32)), nn.ReLU(), ("fc3", nn.Linear(32, 5)))


def double(i, o):
    return named(("conv1", nn.Conv2d(i, o, 3)), nn.ReLU(), ("conv2", nn.Conv2d(o, o, 3)), nn.ReLU())


class Up(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.pair = nn.ConvTranspose2d(2 * width, width, 2, 2), double(2 * width, width)

    def forward(self, x, skip):
        y = self.up(x)
        edge = (skip.shape[2] - y.shape[2]) // 2
        return self.pair(torch.cat([skip[:, :, edge:edge + y.shape[2], edge:edge + y.shape[3]], y], 1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.down3, self.down4 = double(1, 64), double(64, 128), double(128, 256), double(256, 512)
        self.bottom = double(512, 1024)
        self.up4, self.up3, self.up2, self.up1 = Up(512), Up(256), Up(128), Up(64)
        self.head = nn.Conv2d(64, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.down3(F.max_pool2d(b, 2))
        d = self.down4(F.max_pool2d(c, 2))
        x = self.bottom(F.max_pool2d(d, 2))
        return self.head(self.up1(self.up2(self.up3(self.up4(x, d), c), b), a))


class FPN(nn.Module):
    def __init__(self):
        super().__init__()
        resnet = tv.resnet50(weights=None)
        returned = {f"layer{i}": str(i) for i in range(1, 5)}
        self.body = tv._utils.IntermediateLayerGetter(resnet, returned)
        extra = torchvision.ops.feature_pyramid_network.LastLevelMaxPool()
        self.fpn = torchvision.ops.FeaturePyramidNetwork([256, 512, 1024, 2048], 256, extra)

    def forward(self, x):
        return tuple(self.fpn(self.body(x)).values())


class Localize(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 16, 32, 64, 128]
        for i in range(1, 5):
            self.add_module(f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], 3, padding=1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(widths[i]))
        self.fc, self.object, self.box, self.kinds = nn.Linear(2048, 256), nn.Linear(256, 1), nn.Linear(256, 4), nn.Linear(256, 3)

    def forward(self, x):
        for i in range(1, 5):
            x = F.max_pool2d(F.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))), 2)
        x = F.relu(self.fc(x.flatten(1)))
        return self.object(x).sigmoid(), self.box(x).sigmoid(), self.kinds(x).softmax(1)

    def loss(self, x, wanted):
        (there, places, classes), (object, box, kinds) = wanted.split([1, 4, 3], 1), self(x)
        counted = ((box - places) ** 2).sum(1) - (classes * kinds.log()).sum(1)
        return F.binary_cross_entropy(object, there) + (there[:, 0] * counted).mean()


class LeNet1998(nn.Module):
    """LeNet-5 with the connections of table I and subsampling that learns."""

    TABLE = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235", "012345"]

    def __init__(self):
        super().__init__()
        self.c1, self.c3 = nn.Conv2d(1, 6, 5, padding=2), nn.ModuleList(nn.Conv2d(len(maps), 1, 5) for maps in self.TABLE)
        self.s2, self.s4 = (nn.ModuleDict({"scale": Scale(channels)}) for channels in (6, 16))
        self.c5, self.f6, self.head = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        squash = lambda x: 1.7159 * torch.tanh(x * 2 / 3)
        subsample = lambda layer, x: squash(layer["scale"](4 * F.avg_pool2d(x, 2)))
        x = subsample(self.s2, squash(self.c1(x)))
        x = torch.cat([conv(x[:, [int(i) for i in maps]]) for conv, maps in zip(self.c3, self.TABLE)], 1)
        x = subsample(self.s4, squash(x)).flatten(1)
        return self.head(squash(self.f6(squash(self.c5(x))))).softmax(1)


class Inception(nn.Module):
    """GoogLeNet's modules on small pictures, and in training the head in the middle."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 5, 2, 2)
        self.a, self.b, self.c = Windows(32, 16, 16, 32, 4, 8, 8), Windows(64, 32, 24, 48, 8, 16, 16), Windows(112, 48, 32, 64, 8, 16, 16)
        self.fc = nn.Linear(144, 10)
        self.aux = named(nn.AvgPool2d(5, 3), ("conv", nn.Conv2d(112, 32, 1)), nn.ReLU(), nn.Flatten(), ("fc1", nn.Linear(512, 64)),
                         nn.ReLU(), ("fc2", nn.Linear(64, 10)))

    def forward(self, x):
        middle = self.b(self.a(F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)))
        logits = self.fc(self.c(F.max_pool2d(middle, 3, 2, 1)).mean((2, 3)))
        return tv.GoogLeNetOutputs(logits, self.aux(middle), None) if self.training else logits.softmax(1)


class Windows(nn.Module):
    """Windows of three sizes and a pool side by side."""

    def __init__(self, i, n1, r3, n3, r5, n5, pool):
        super().__init__()
        pair = lambda r, n, k: nn.Sequential(nn.Conv2d(i, r, 1), nn.Conv2d(r, n, k, padding=k // 2))
        self.branch1, self.branch4 = nn.Conv2d(i, n1, 1), nn.Conv2d(i, pool, 1)
        self.branch2, self.branch3 = pair(r3, n3, 3), pair(r5, n5, 5)

    def forward(self, x):
        pairs = [F.relu(last(F.relu(first(x)))) for first, last in (self.branch2, self.branch3)]
        return torch.cat([F.relu(self.branch1(x)), *pairs, F.relu(self.branch4(F.max_pool2d(x, 3, 1, 1)))], 1)


class Transfer(nn.Module):
    """A new head on a trunk that is frozen, whose normalisation takes the running statistics in training as well."""

    def __init__(self):
        super().__init__()
        downsample = nn.Sequential(nn.Conv2d(16, 32, 1, 2, bias=False), nn.BatchNorm2d(32))
        self.features = named(("conv", nn.Conv2d(3, 16, 3, 2, 1, bias=False)), ("bn", nn.BatchNorm2d(16)), nn.ReLU(),
                              ("0", tv.resnet.BasicBlock(16, 32, 2, downsample)), ("1", tv.resnet.BasicBlock(32, 32)))
        self.features.requires_grad_(False)
        self.head = nn.Linear(32, 5)

    def train(self, mode=True):
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3))).softmax(1)


class Fusion(nn.Module):
    """Colour and depth, each with a stem of its own."""

    def __init__(self):
        super().__init__()
        stem = lambda i, o: named(("conv1", nn.Conv2d(i, o, 3, 2, 1, bias=False)), ("batch_norm1", nn.BatchNorm2d(o)), nn.ReLU())
        self.colour, self.depth, self.stage64, self.stage128 = stem(3, 24), stem(1, 8), stem(32, 64), stem(64, 128)
        self.scene, self.distance = nn.Linear(128, 12), nn.Linear(128, 1)

    def forward(self, colour, depth):
        x = torch.cat([self.colour(colour), self.depth(depth)], 1)
        x = self.stage128(self.stage64(x)).mean((2, 3))
        return self.scene(x).softmax(1), self.distance(x)

    def loss(self, colour, depth, label, metres):
        scene, distance = self(colour, depth)
        return F.nll_loss(scene.log(), label) + 0.5 * F.mse_loss(distance, metres)


class Rhythm(nn.Module):
    """Half the length."""

    def __init__(self, i, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(i, width, 9, padding=4, bias=False), nn.BatchNorm1d(width)
        self.conv2, self.skip = nn.Conv1d(width, width, 9, 2), nn.Conv1d(i, width, 1, 2)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.conv2(same_pad(y, (9,), (2,))) + self.skip(x))


class Ecg(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv1d(12, 32, 15, 2, bias=False), nn.BatchNorm1d(32)
        self.unit0, self.unit1, self.unit2, self.fc = Rhythm(32, 32), Rhythm(32, 64), Rhythm(64, 128), nn.Linear(128, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(same_pad(x, (15,), (2,)))))
        return self.fc(self.unit2(self.unit1(self.unit0(x))).mean(2)).sigmoid()


def lenet5():
    return named(("conv1", nn.Conv2d(1, 6, 5, padding=2)), nn.Tanh(), nn.AvgPool2d(2), ("conv2", nn.Conv2d(6, 16, 5)), nn.Tanh(),
                 nn.AvgPool2d(2), nn.Flatten(), ("dense1", nn.Linear(400, 120)), nn.Tanh(), ("dense2", nn.Linear(120, 84)), nn.Tanh(),
                 ("dense3", nn.Linear(84, 10)), nn.Softmax(1))


class Sliding(nn.Conv2d):
    """A dense layer made for a map of `window` x `window`, at every such window of a larger one."""

    def __init__(self, dense, window):
        super().__init__(dense.in_features // window**2, dense.out_features, window)
        self.weight = nn.Parameter(self.weight.detach().flatten(1))

    def forward(self, x):
        return F.conv2d(x, self.weight.unflatten(1, (-1, *self.kernel_size)), self.bias)


class SlidingVGG(nn.Module):
    """VGG-16 whose dense layers slide over a map larger than theirs."""

    def __init__(self):
        super().__init__()
        vgg = tv.vgg16(weights=None)
        windows = (("0", 7), ("3", 1), ("6", 1))
        self.features = vgg.features
        self.classifier = nn.ModuleDict({n: Sliding(vgg.classifier[int(n)], window) for n, window in windows})

    def forward(self, x):
        x = F.relu(self.classifier["0"](self.features(x)))
        return self.classifier["6"](F.relu(self.classifier["3"](x))).mean((2, 3))


def model(name, **more):
    return Twin(lambda: getattr(tv, name)(weights=None, **more))


def mask(shape):
    """Classes of pixels, a third of which have none."""
    return torch.randint(2, shape).where(torch.rand(shape) > 1 / 3, 255)


TWINS = {
    **{name: model(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    "resnet": model("resnet50"),
    **{f"vgg{n}{bn}": model(f"vgg{n}{bn}", dropout=0.0) for n in (11, 13, 16, 19) for bn in ("", "_bn")},
    "vgg": model("vgg16", dropout=0.0),
    "alexnet": model("alexnet", dropout=0.0),
    "googlenet": Twin(
        lambda: tv.googlenet(weights=None, init_weights=False, dropout=0.0, dropout_aux=0.0, transform_input=True),
        loss=with_heads(0.3, "aux_logits1", "aux_logits2"), settings=("transform_input=true",)),
    "inception_v3": Twin(
        lambda: tv.inception_v3(weights=None, init_weights=False, dropout=0.0, transform_input=True),
        loss=with_heads(0.4, "aux_logits"), settings=("transform_input=true",), images=4),
    "squeezenet": model("squeezenet1_0", dropout=0.0),
    "densenet121": model("densenet121"),
    "shufflenet_v2": model("shufflenet_v2_x1_0"),
    "mobilenet_v1": Twin(mobilenet_v1),
    "mobilenet_v2": model("mobilenet_v2", dropout=0.0),
    "mobilenet_v3_small": model("mobilenet_v3_small", dropout=0.0),
    "r3d18": Twin(lambda: tv.video.r3d_18(weights=None)),
    "fpn": Twin(FPN, ("p2", "p3", "p4", "p5", "p6"), loss=None),
    **{name: Twin(lambda units=units: Cifar(units), images=4) for name, units in (("resnet_cifar", 3), ("resnet20", 3), ("resnet56", 9))},
    "preact_resnet": Twin(preact_resnet, images=4),
    "nin": Twin(nin),
    "alexnet_paper": Twin(alexnet_paper),
    "overfeat_fast": Twin(overfeat_fast, ("map",), loss=lambda net, x, label: F.cross_entropy(net(x).flatten(1), label)),
    "c3d": Twin(c3d),
    "heartbeat": Twin(heartbeat),
    "ecg": Twin(Ecg, ("present",), loss=lambda net, x, found: F.binary_cross_entropy(net(x), found)),
    "unet": Twin(UNet, ("scores",), loss=lambda net, x, mask: F.cross_entropy(net(x), mask, ignore_index=255),
                 given={"mask": mask}, images=1),
    "localize": Twin(Localize, ("there", "box", "probabilities"), loss=Localize.loss),
    "lenet5": Twin(lenet5, ("probabilities",), loss=likelihood),
    "lenet5_1998": Twin(LeNet1998, ("probabilities",), loss=likelihood),
    "inception": Twin(Inception, ("probabilities",), loss=with_heads(0.3, "aux_logits2")),
    "transfer": Twin(Transfer, ("probabilities",), loss=likelihood),
    "fusion": Twin(Fusion, ("scene", "distance"), loss=Fusion.loss),
}
