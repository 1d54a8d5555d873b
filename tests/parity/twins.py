"""The networks of specs/ in PyTorch: torchvision's where it has them, else written here after the paper, with the spec's names.

Those that find objects are in detectors.py. `TWINS[spec]` has what counts.py and networks.py need: `make()`, which gives a
module from the spec's inputs (by position) to its outputs, those named in `outputs`; `settings` of the spec, with which both are
the same network; and `given`, functions from shape to tensor for inputs that are not noise.
"""
import dataclasses
from collections import OrderedDict

import torch
import torchvision.models as tv
import torchvision.ops
from torch import nn
from torch.nn import functional as F

from layers import Canvas, LocalConv, Scale


@dataclasses.dataclass
class Twin:
    make: object
    outputs: tuple = ("logits",)
    settings: tuple = ()
    given: dict = dataclasses.field(default_factory=dict)


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


def preact_resnet():
    stages, i = [], 16
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        units = []
        for n in range(18):
            units.append(Preact(i, width, 2 if stage > 1 and n == 0 else 1))
            i = 4 * width
        stages.append((f"layer{stage}", nn.Sequential(*units)))
    return named(("conv1", nn.Conv2d(3, 16, 3, padding=1, bias=False)), *stages, ("bn", nn.BatchNorm2d(256)), nn.ReLU(),
                 Flat(), ("fc", nn.Linear(256, 10)))


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


class Edges(nn.Module):
    """Sobel's filters, the same for all channels."""

    functional_macs = 2 * 64 * 64 * 27

    def forward(self, x):
        across = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], device=x.device).expand(1, 3, 3, 3)
        vertical, horizontal = F.conv2d(x, across, padding=1), F.conv2d(x, across.mT, padding=1)
        return vertical, horizontal, (vertical**2 + horizontal**2).sqrt()


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


class SiameseKoch(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for n, (i, o, k) in enumerate([(1, 64, 10), (64, 128, 7), (128, 128, 4), (128, 256, 4)], 1):
            layers += [(f"conv{n}", nn.Conv2d(i, o, k)), nn.ReLU(), *([nn.MaxPool2d(2)] if n < 4 else [])]
        self.tower = named(*layers, nn.Flatten(), ("fc", nn.Linear(9216, 4096)), nn.Sigmoid())
        self.head = nn.Linear(4096, 1)
        # Weights that keep the size of what passes: with PyTorch's own both drawings have nearly the same features, and the result
        # would hardly depend on them.
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, left, right):
        return self.head((self.tower(left) - self.tower(right)).abs()).sigmoid()


def unpool(x, switches, size):
    """Values back to their places; where windows overlap, they add up."""
    y = x.new_zeros(*x.shape[:2], size[-2] * size[-1])
    return y.scatter_add(2, switches.flatten(2), x.flatten(2)).unflatten(2, size)


class DeconvNet(nn.Module):
    """Shows the strongest activation of the first map of the fifth layer."""

    # The way back has as many as the convolutions.
    functional_macs = 1_109_410_944

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 96, 7, 2, 1), nn.Conv2d(96, 256, 5, 2)
        self.conv3, self.conv4 = nn.Conv2d(256, 384, 3, 1, 1), nn.Conv2d(384, 384, 3, 1, 1)
        self.conv5 = nn.Conv2d(384, 256, 3, 1, 1)
        self.fc6, self.fc7, self.fc8 = nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)

    def forward(self, x):
        pool = lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)
        norm = lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2.0)
        map1 = F.relu(self.conv1(x))
        y, switches1 = pool(map1)
        map2 = F.relu(self.conv2(norm(y)))
        y, switches2 = pool(map2)
        map5 = F.relu(self.conv5(F.relu(self.conv4(F.relu(self.conv3(norm(y)))))))
        logits = F.relu(self.fc7(F.relu(self.fc6(F.max_pool2d(map5, 3, 2).flatten(1)))))
        logits = self.fc8(logits)
        one = map5[:, 0].flatten(1)
        y = torch.zeros_like(map5).flatten(2)
        y[:, 0] = torch.zeros_like(one).scatter(1, one.argmax(1, keepdim=True), one.amax(1, keepdim=True))
        y = y.view_as(map5)
        for conv in self.conv5, self.conv4, self.conv3:
            y = F.conv_transpose2d(F.relu(y), conv.weight, padding=1)
        y = F.conv_transpose2d(F.relu(unpool(y, switches2, map2.shape[2:])), self.conv2.weight, stride=2)
        y = unpool(y, switches1, map1.shape[2:])
        return logits, F.conv_transpose2d(F.relu(y), self.conv1.weight, stride=2, padding=1, output_padding=1)


class Style(nn.Module):
    """VGG-19 up to conv5_1, means in place of maxima, and the picture that is learnt."""

    def __init__(self, size):
        super().__init__()
        layers = list(tv.vgg19(weights=None).features.children())[:29]
        self.features = nn.Sequential(*[nn.AvgPool2d(2) if isinstance(l, nn.MaxPool2d) else l for l in layers])
        self.features.requires_grad_(False)
        self.image = Canvas(3, size, size)

    def forward(self, photo, painting):
        image = self.image.weight.expand_as(photo)
        kept = F.relu(self.walk(image, 22)[21]) - F.relu(self.walk(photo, 22)[21])
        return image, (kept**2).sum((1, 2, 3)) / 2

    def walk(self, x, layers):
        seen = []
        for layer in self.features[:layers]:
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            seen.append(x)
        return seen

    def see(self, x):
        seen = self.walk(x, 29)
        return F.relu(seen[21]), [F.relu(seen[i]) for i in (0, 5, 10, 19, 28)]

    def loss(self, photo, painting):
        (things, layers), (real, _), (_, painted) = (self.see(x) for x in (self.image.weight.expand_as(photo), photo, painting))
        gram = lambda x: x.flatten(2) @ x.flatten(2).mT
        style = [((gram(a) - gram(b)) ** 2).sum((1, 2)) / (2 * a[0].numel()) ** 2 for a, b in zip(layers, painted)]
        return (((things - real) ** 2).sum((1, 2, 3)) / 2 + 200 * sum(style)).mean()


class Landmarks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 20, 4), nn.Conv2d(20, 40, 3), nn.Conv2d(40, 60, 3)
        self.conv4, self.fc1, self.fc2 = nn.Conv2d(60, 80, 2), nn.Linear(320, 120), nn.Linear(120, 11)

    def forward(self, x):
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.max_pool2d(conv(x).tanh().abs(), 2)
        x = self.fc2(self.fc1(self.conv4(x).tanh().abs().flatten(1)).tanh().abs())
        return torch.cat([x[:, :1].sigmoid(), x[:, 1:]], 1)


def torchvision_model(name, **more):
    return Twin(lambda: getattr(tv, name)(weights=None, **more))


TWINS = {
    **{name: torchvision_model(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    "resnet": torchvision_model("resnet50"),
    **{f"vgg{n}{bn}": torchvision_model(f"vgg{n}{bn}", dropout=0.0) for n in (11, 13, 16, 19) for bn in ("", "_bn")},
    "vgg": torchvision_model("vgg16", dropout=0.0),
    "alexnet": torchvision_model("alexnet", dropout=0.0),
    "googlenet": Twin(lambda: tv.googlenet(weights=None, aux_logits=False, init_weights=False, dropout=0.0),
                      settings=("heads=0",)),
    "inception_v3": Twin(lambda: tv.inception_v3(weights=None, aux_logits=False, init_weights=False, dropout=0.0),
                         settings=("heads=0",)),
    "squeezenet": torchvision_model("squeezenet1_0", dropout=0.0),
    "densenet121": torchvision_model("densenet121"),
    "shufflenet_v2": torchvision_model("shufflenet_v2_x1_0"),
    "mobilenet_v2": torchvision_model("mobilenet_v2", dropout=0.0),
    "mobilenet_v3_small": torchvision_model("mobilenet_v3_small", dropout=0.0),
    "r3d18": Twin(lambda: tv.video.r3d_18(weights=None)),
    "fpn": Twin(FPN, outputs=("p2", "p3", "p4", "p5", "p6")),
    **{name: Twin(lambda units=units: Cifar(units)) for name, units in (("resnet_cifar", 3), ("resnet20", 3), ("resnet56", 9))},
    "preact_resnet": Twin(preact_resnet),
    "nin": Twin(nin),
    "alexnet_paper": Twin(alexnet_paper),
    "overfeat_fast": Twin(overfeat_fast, outputs=("map",)),
    "c3d": Twin(c3d),
    "heartbeat": Twin(heartbeat),
    "unet": Twin(UNet, outputs=("scores",)),
    "facenet": Twin(FaceNet, outputs=("embedding",)),
    "localize": Twin(Localize, outputs=("there", "box", "probabilities")),
    "landmarks": Twin(Landmarks, outputs=("answer",)),
    "lenet5_1998": Twin(LeNet1998, outputs=("probabilities",)),
    "edges": Twin(Edges, outputs=("vertical", "horizontal", "strength")),
    "deepface": Twin(DeepFace, outputs=("logits", "embedding"), settings=("dropped=0.0",)),
    "siamese_koch": Twin(SiameseKoch, outputs=("same",)),
    "deconvnet": Twin(DeconvNet, outputs=("logits", "pattern")),
    "style": Twin(lambda: Style(64), outputs=("image", "kept"), settings=("size=64",)),
}
