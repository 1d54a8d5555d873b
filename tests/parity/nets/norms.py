"""Normalisation and functions of one number over no axis of space, one, two and three."""
import torch
from torch import nn
from torch.nn import functional as F

from layers import Scale
from .draws import floats
from .listed import Listed


class ChannelsNorm(nn.LayerNorm):
    """The channels of each place."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Normalized(Listed):
    def __init__(self):
        super().__init__()
        self.batch0, self.batch1 = nn.BatchNorm1d(6, eps=0.1), nn.BatchNorm1d(4, eps=0.01)
        self.batch3 = nn.BatchNorm3d(4, eps=1e-3)
        self.group1, self.group3 = nn.GroupNorm(1, 4, eps=0.1), nn.GroupNorm(4, 4)
        self.places1, self.places3 = ChannelsNorm(4, eps=0.2), ChannelsNorm(4)
        self.all0, self.all1 = nn.LayerNorm(6), nn.LayerNorm([4, 7], eps=0.05)
        for norm in (m for m in self.modules() if getattr(m, "weight", None) is not None):
            nn.init.normal_(norm.weight, 1, 0.3)
            nn.init.normal_(norm.bias)

    def forward(self, vector, signal, image, clip):
        plain = lambda x: F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-3).movedim(-1, 1)
        lrn = F.local_response_norm
        return {
            "batch0": self.batch0(vector),
            "batch1": self.batch1(signal),
            "batch3": self.batch3(clip),
            "group0": F.group_norm(vector, 2, eps=0.01),
            "group1": self.group1(signal),
            "group2": F.group_norm(image, 2, eps=0.3),
            "group3": self.group3(clip),
            "group3_plain": F.group_norm(clip, 2),
            "places1": self.places1(signal),
            "places2": plain(image),
            "places3": self.places3(clip),
            "all0": self.all0(vector),
            "all1": self.all1(signal),
            "all2": F.layer_norm(image, image.shape[1:], eps=0.1),
            "all3": F.layer_norm(clip, clip.shape[1:]),
            "length0": F.normalize(vector, eps=1),
            "length1": F.normalize(signal, dim=2),
            "length2": F.normalize(image, dim=2, eps=1),
            "length3": F.normalize(clip, dim=3),
            "length4": F.normalize(clip, dim=4, eps=1),
            "near0": lrn(vector[:, :, None], 2, 3, 0.3)[:, :, 0],
            "near1": lrn(signal, 4, 0.5, 0.5, 2),
            "near2": lrn(image, 6, 2, 0.75, 0.1),
            "near3": lrn(clip, 3, 2, 1),
        }

    def loss(self, out):
        # Mean squares would not do: those of what is normalised hardly change.
        return sum(y.exp().mean() for y in out.values())


class Curves(Listed):
    def __init__(self):
        super().__init__()
        self.prelu0, self.prelu1, self.prelu2, self.prelu3 = nn.PReLU(4), nn.PReLU(), nn.PReLU(4), nn.PReLU(4)
        self.prelu4 = nn.PReLU()
        for prelu in self.children():
            nn.init.normal_(prelu.weight)
        self.scale0, self.scale1, self.scale3 = Scale(4, True), Scale(4, False), Scale(4, True)
        self.fc = nn.Linear(4, 4)

    def forward(self, vector, signal, image, clip):
        gate = torch.sigmoid(self.fc(vector))
        over = lambda x: gate.reshape(gate.shape + (1,) * (x.dim() - 2))
        return {
            "prelu0": self.prelu0(vector),
            "prelu1": self.prelu1(signal),
            "prelu2": self.prelu2(image),
            "prelu3": self.prelu3(clip),
            "prelu4": self.prelu4(clip),
            "leaky0": F.leaky_relu(vector, 0.3),
            "leaky1": F.leaky_relu(signal, 0),
            "leaky3": F.leaky_relu(clip, 0.9),
            "elu1": F.elu(signal, 0.5),
            "elu2": F.elu(image, 2),
            "elu3": F.elu(clip),
            "gelu1": F.gelu(2 * signal),
            "gelu2": F.gelu(2 * image, approximate="tanh"),
            "gelu3": F.gelu(2 * clip, approximate="tanh"),
            "softplus1": F.softplus(signal, 2),
            "softplus2": F.softplus(image, 0.5),
            "softplus3": F.softplus(clip),
            "low1": signal.clamp(min=-0.25),
            "high2": image.clamp(max=0.5),
            "both3": clip.clamp(-1.2, 0.3),
            "hard1": F.relu6(6 * signal) + F.hardsigmoid(2 * signal),
            "hard3": F.hardswish(3 * clip) + F.relu6(6 * clip) - F.hardsigmoid(2 * clip),
            "soft1": F.silu(signal) + signal.tanh() * signal.sigmoid(),
            "soft3": F.silu(clip) - clip.tanh() + clip.sigmoid(),
            "signs1": signal.abs() - signal**2,
            "roots3": (clip**2 + 1).sqrt() + (clip**2 + 0.5).log() - (0.5 * clip).exp(),
            "scaled0": self.scale0(vector),
            "scaled1": self.scale1(signal),
            "scaled3": self.scale3(clip),
            "gated1": signal * over(signal),
            "gated3": clip / (1 + over(clip)) - over(clip),
            "ratio2": (image[:, :1] - image) / (2 + over(image)),
        }


NETS = {
    "normalized": (
        Normalized,
        3,
        {"vector": floats(6), "signal": floats(4, 7), "image": floats(6, 3, 4), "clip": floats(4, 2, 3, 3)},
        {},
    ),
    "curves": (
        Curves,
        2,
        {"vector": floats(4), "signal": floats(4, 9), "image": floats(4, 3, 5), "clip": floats(4, 2, 3, 3)},
        {},
    ),
}
