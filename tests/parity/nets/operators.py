"""Operators of many kinds in one network."""
import torch
import torchvision.ops
from torch import nn
from torch.nn import functional as F

from layers import Canvas, LocalConv, Scale, same_pad
from .draws import classes, floats, unit
from .norms import ChannelsNorm


class Maps(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.squeeze, self.c2 = nn.Conv2d(2, 6, 3, stride=(2, 1)), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 1, 1)
        self.fc = nn.Linear(24, 5)

    def forward(self, image):
        x = torch.tanh(self.c1(same_pad(image, (3, 3), (2, 1))))
        x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        smooth = F.avg_pool2d(x, 3, 1, 1)
        mask = torch.sigmoid(self.c2(0.5 * smooth - x * x + 1))
        return {"mask": mask, "vector": torch.tanh(self.fc(mask.reshape(-1, 24)))}

    def loss(self, out, wanted, point):
        return F.binary_cross_entropy(out["mask"], wanted) + 2 * F.mse_loss(out["vector"], point)


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.scale1, self.prelu1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), Scale(8, True), nn.PReLU(8)
        self.squeeze, self.excite, self.conv2 = nn.Linear(8, 4), nn.Linear(4, 8), nn.Conv2d(8, 8, 3)
        self.conv3, self.conv4, self.conv5, self.conv6 = (nn.Conv2d(8, 8, 1) for _ in range(4))
        self.prelu2, self.scale2, self.fc = nn.PReLU(), Scale(8, False), nn.Linear(24, 4)

    def forward(self, image):
        x = self.prelu1(self.scale1(self.conv1(image)))
        gate = F.hardsigmoid(self.excite(F.silu(self.squeeze(x.mean((2, 3))))))
        x = F.relu6(self.conv2(x * gate[:, :, None, None]))
        x = F.gelu(self.conv4(F.gelu(self.conv3(x))), approximate="tanh")
        x = self.prelu2(self.conv6(F.elu(self.conv5(x), 0.5)))
        mixed = x.abs() + (x**2 + 1).sqrt() - x.clamp(-1, 0.5).exp()
        x = torch.cat([F.softplus(x, 2).log(), mixed, self.scale2(x)], 1)
        self.logits = self.fc(x.mean((2, 3)))
        return {"probabilities": self.logits.softmax(1), "features": x}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Shapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(6, 12, 3), nn.Conv2d(12, 8, 3, padding=1)
        self.conv3, self.conv4, self.conv5 = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(8, 4, 1)
        self.conv6, self.fc = nn.Conv2d(14, 4, 3), nn.Linear(16, 4)

    def forward(self, image):
        x = F.relu(self.conv1(F.pad(image, (2, 0, 1, 1), mode="reflect")))
        a, b, c = x.split([4, 2, 6], 1)
        x = self.conv2(torch.cat([b, F.channel_shuffle(c, 3), a], 1))
        large = self.conv3(F.interpolate(x, scale_factor=2, mode="bilinear"))
        corners = self.conv4(F.interpolate(x[:, :4], scale_factor=(2, 3), mode="bilinear", align_corners=True))
        near = self.conv5(F.pad(F.interpolate(x[:, :, 1:5], (9, 20)), (1, 1, 1, 1), mode="replicate"))
        turned = self.conv6(F.pad(large.permute(0, 3, 1, 2), (1, 1, 1, 1)))
        parts = [large.mean((2, 3)), corners.amax((2, 3)), near.mean((2, 3)), turned.mean((2, 3))]
        self.logits = self.fc(torch.cat(parts, 1))
        return {"probabilities": self.logits.softmax(1), "turned": turned, "near": near}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 3)
        self.conv4, self.conv5 = nn.Conv1d(4, 6, 3, bias=False), nn.Conv3d(2, 4, 2)
        self.norm1, self.norm2, self.norm3 = nn.GroupNorm(4, 8), ChannelsNorm(8, eps=1e-6), nn.LayerNorm([4, 4, 3])
        self.norm4, self.fc = nn.GroupNorm(6, 6), nn.Linear(54, 6)
        for norm in self.norm1, self.norm2, self.norm3, self.norm4:
            nn.init.normal_(norm.weight, 1, 0.3)
            nn.init.normal_(norm.bias)

    def forward(self, image, signal, clip):
        x = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(image)))))
        x = self.norm3(self.conv3(x))
        y = F.normalize(self.norm4(self.conv4(signal)))
        z = self.conv5(clip)
        z = F.layer_norm(z, z.shape[1:]).softmax(4)
        rows = x.flatten(2)
        parts = [(rows @ rows.mT).flatten(1), x.amax((2, 3)), y.sum(1), y.amax(2), z.mean((1, 2, 3))]
        parts += [(z**2).sum((1, 2, 3, 4))[:, None], y.log_softmax(2).mean(2)]
        vector = self.fc(torch.cat(parts, 1))
        return {"vector": vector, "map": x.log_softmax(1)}

    def loss(self, out, wanted):
        return F.mse_loss(out["vector"], wanted)


class Quotients(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        # Off, as dropout is: the stored results have no random numbers in them.
        self.path = torchvision.ops.StochasticDepth(0.3, "row").eval()

    def train(self, mode=True):
        super().train(mode)
        self.path.eval()
        return self

    def forward(self, image):
        x = torch.tanh(self.conv1(image))
        y = x / (2 + x) + x.amax((2, 3), keepdim=True) / (3 + x)
        y = y + self.path(self.conv2(2 / (3 - x)))
        return {"y": y, "shares": y.exp() / y.exp().sum(1, keepdim=True)}

    def loss(self, out, wanted):
        return F.mse_loss(out["y"], wanted) + (out["shares"] / (1 + wanted**2)).sum((1, 2, 3)).mean()


class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.see, self.canvas = nn.Conv2d(3, 6, 3, stride=2, bias=False), Canvas(3, 11, 10)
        self.local = LocalConv(6, 4, (3, 3), (5, 5), 2, 1)
        self.local1 = LocalConv(2, 3, (4,), (13,), 1, 2)
        self.slide, self.fc = nn.Linear(4 * 2 * 3, 4), nn.Linear(88, 4)

    def forward(self, image, signal, clip):
        filters = lambda numbers: torch.tensor(numbers, dtype=image.dtype)
        x = F.relu(self.see(image + self.canvas.weight))
        small, switches = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
        pattern = F.max_unpool2d(small.tanh(), switches, 2, output_size=x.shape[2:])
        pattern = F.conv_transpose2d(pattern, self.see.weight, stride=2, output_padding=(0, 1))
        sobel = filters([[1, 0, -1], [2, 0, -2], [1, 0, -1]]).expand(1, 3, 3, 3)
        laplace = filters([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
        mixed = filters([[[[1]], [[-1]], [[0]]], [[[0.5]], [[0]], [[2]]]])
        edges = [F.conv2d(pattern, sobel, padding=1), F.conv2d(image, laplace, padding=1, groups=3), F.conv2d(image, mixed)]
        places = F.relu(self.local(F.pad(torch.cat(edges, 1), (0, 1, 1, 0))))
        grown = F.pad(F.adaptive_avg_pool2d(places, (3, 2)), (1, 1, 1, 1, 1, 2))[:, :7:2]
        map = F.conv2d(grown, self.slide.weight.view(4, 4, 2, 3), self.slide.bias)
        y = F.max_pool1d(self.local1(signal), 3, 2, ceil_mode=True)
        y = F.adaptive_avg_pool1d(F.avg_pool1d(y, 3, 2, ceil_mode=True), 2)
        z = F.adaptive_max_pool3d(F.max_pool3d(clip, 3, 2, 1, ceil_mode=True), (2, 2, 3))
        w = F.avg_pool3d(clip, (2, 3, 2), (1, 2, 2), (1, 0, 1), ceil_mode=True, count_include_pad=False)
        parts = [F.adaptive_max_pool2d(places, (2, 3)), map, y, z]
        self.logits = self.fc(torch.cat([part.flatten(1) for part in parts] + [w.mean((2, 3, 4))], 1))
        return {"pattern": pattern, "map": map, "probabilities": self.logits.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


NETS = {
    "maps": (Maps, 3, {"image": floats(2, 8, 6)}, {"wanted": unit(1, 4, 6), "point": floats(5)}),
    "functions": (Functions, 4, {"image": floats(3, 9, 8)}, {"label": classes(4)}),
    "shapes": (Shapes, 3, {"image": floats(6, 8, 7)}, {"label": classes(4)}),
    "norms": (
        Norms,
        3,
        {"image": floats(3, 8, 7), "signal": floats(4, 20), "clip": floats(2, 3, 5, 4)},
        {"wanted": floats(6)},
    ),
    "quotients": (Quotients, 3, {"image": floats(3, 6, 5)}, {"wanted": floats(4, 6, 5)}),
    "windows": (
        Windows,
        3,
        {"image": floats(3, 11, 10), "signal": floats(2, 19), "clip": floats(2, 5, 6, 7)},
        {"label": classes(4)},
    ),
}
