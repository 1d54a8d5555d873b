"""Parts, orders, sums and sizes along every axis."""
import torch
from torch.nn import functional as F

from .draws import classes, floats
from .listed import Listed, padded


class Axes(Listed):
    def forward(self, vector, signal, image, clip):
        a, b, c = vector.chunk(3, 1)
        d, e = signal.split([3, 7], 2)
        f, g, h = image.chunk(3, 3)
        i, j, k = clip.split([1, 3, 1], 2)
        return {
            "swapped1": torch.cat([c, a * b], 1),
            "swapped2": torch.cat([e, d, e.tanh()], 2),
            "swapped3": torch.cat([h * f, g], 2),
            "swapped4": torch.cat([k, j, i, j], 2),
            "wide": torch.cat([clip, clip.tanh(), clip[:, :, :, :, 1:]], 4),
            "stepped0": torch.cat([signal[:, ::2], signal[:, 1:4:2]], 1),
            "stepped1": signal[:, :, 2:9:3],
            "stepped2": image[:, :, 1::3] + image[:, :, 0:4:3],
            "stepped3": image[:, :, :, 1:6:2],
            "stepped4": clip[:, :, 0:5:4, :, 1:],
            "turned1": signal.permute(0, 2, 1),
            "turned3": clip.permute(0, 3, 1, 4, 2),
            "flat": image.reshape(-1, 6, 20).tanh() * image.reshape(-1, 6, 20),
            "shuffled0": F.channel_shuffle(vector[:, :, None], 3)[:, :, 0],
            "shuffled1": F.channel_shuffle(signal, 2),
            "shuffled3": F.channel_shuffle(clip, 3),
            "likeness0": vector[:, :, None] * vector[:, None],
            "likeness1": signal @ signal.mT,
            "likeness3": clip.flatten(2) @ clip.flatten(2).mT,
        }


class Reduced(Listed):
    def forward(self, signal, image, clip):
        return {
            "sum0": signal.sum(1, keepdim=True),
            "sum1": image.sum((1, 3)),
            "sum2": clip.sum((1, 4), keepdim=True),
            "sum3": clip.sum((2, 3)),
            "mean0": image.mean((1, 2), keepdim=True),
            "mean1": clip.mean((1, 2, 3)),
            "mean2": signal.mean(2),
            "mean3": clip.mean((1, 2, 3, 4)).view(-1, 1),
            "max0": image.amax((1, 3)),
            "max1": signal.amax(1, keepdim=True),
            "max2": clip.amax((2, 4), keepdim=True),
            "max3": image.amax((1, 2, 3), keepdim=True),
            "centred": image - image.mean((1, 3), keepdim=True) + image.amax(2, keepdim=True),
            "shares0": signal.softmax(1),
            "shares1": signal.softmax(2),
            "shares2": image.softmax(2),
            "shares3": image.softmax(3),
            "shares4": clip.softmax(2),
            "shares5": clip.softmax(3),
            "logs0": signal.log_softmax(1),
            "logs1": image.log_softmax(2),
            "logs2": image.log_softmax(3),
            "logs3": clip.log_softmax(2),
            "logs4": clip.log_softmax(4),
        }


def channels(x, before, after, mode):
    """More channels around those there are."""
    at, last = torch.arange(-before, x.shape[1] + after), x.shape[1] - 1
    if mode == "zero":
        inside = ((at >= 0) & (at <= last)).to(x.dtype)
        return x[:, at.clamp(0, last)] * inside.view(-1, *(1,) * (x.dim() - 2))
    return x[:, last - (last - at.abs()).abs() if mode == "reflect" else at.clamp(0, last)]


class Sizes(Listed):
    def forward(self, signal, image, clip):
        resize = F.interpolate
        return {
            "near1": resize(signal, scale_factor=3),
            "near1_given": resize(signal, 11),
            "near2_given": resize(image, (3, 13)),
            "near3": resize(clip, scale_factor=(2, 1, 3)),
            "near3_given": resize(clip, (5, 2, 3)),
            "linear1": resize(signal, scale_factor=2, mode="linear"),
            "linear1_given": resize(signal, 5, mode="linear"),
            "corners1": resize(signal, 10, mode="linear", align_corners=True),
            "linear2_given": resize(image, (3, 11), mode="bilinear"),
            "corners2": resize(image, (9, 2), mode="bilinear", align_corners=True),
            "linear3": resize(clip, scale_factor=(1, 2, 3), mode="trilinear"),
            "linear3_given": resize(clip, (5, 2, 6), mode="trilinear"),
            "corners3": resize(clip, scale_factor=2, mode="trilinear", align_corners=True),
            "corners3_given": resize(clip, (2, 4, 1), mode="trilinear", align_corners=True),
            "squares": F.pixel_unshuffle(image[:, :, :4], 2),
        }


class Borders(Listed):
    def forward(self, signal, image, clip):
        return {
            "zeros1": padded(signal, (3, 1)),
            "zeros3": padded(clip, 1, (0, 2), (1, 0)),
            "mirror1": F.pad(signal, (2, 6), mode="reflect"),
            "mirror2": F.pad(image, (1, 0, 3, 2), mode="reflect"),
            "mirror3": F.pad(clip, (0, 3, 1, 1, 1, 0), mode="reflect"),
            "edge1": F.pad(signal, (4, 9), mode="replicate"),
            "edge2": F.pad(image, (0, 7, 2, 1), mode="replicate"),
            "edge3": F.pad(clip, (5, 0, 0, 1, 2, 2), mode="replicate"),
            "more1": channels(signal, 2, 1, "zero"),
            "more2": F.pad(channels(image, 0, 2, "reflect"), (1, 1, 1, 1), mode="reflect"),
            "more3": channels(clip, 2, 3, "replicate"),
            "framed3": F.pad(channels(clip, 1, 0, "replicate"), (1, 1, 0, 2, 1, 1), mode="replicate"),
        }


class Labels(Listed):
    """Classes as vectors, of one label and of maps over one, two and three axes."""

    def forward(self, vector, signal, image, clip):
        return {"kinds": vector.tanh(), "beats": signal.tanh(), "scores": image.tanh(), "organs": clip.tanh()}

    def loss(self, out, *targets):
        distance = lambda x, t: (x - F.one_hot(t, x.shape[1]).movedim(-1, 1)).square().mean()
        return sum(distance(x, t) for x, t in zip(out.values(), targets))


NETS = {
    "axes": (
        Axes,
        2,
        {"vector": floats(6), "signal": floats(4, 10), "image": floats(4, 5, 6), "clip": floats(3, 5, 2, 4)},
        {},
    ),
    "reduced": (Reduced, 2, {"signal": floats(4, 7), "image": floats(4, 5, 6), "clip": floats(3, 4, 2, 3)}, {}),
    "sizes": (Sizes, 2, {"signal": floats(2, 7), "image": floats(2, 5, 6), "clip": floats(2, 3, 4, 2)}, {}),
    "borders": (
        Borders,
        2,
        {"signal": floats(3, 7), "image": floats(3, 4, 5), "clip": floats(2, 3, 2, 4)},
        {},
    ),
    "labels": (
        Labels,
        3,
        {"vector": floats(4), "signal": floats(3, 7), "image": floats(5, 4, 5), "clip": floats(2, 3, 2, 4)},
        {
            "kind": classes(4),
            "rhythm": lambda count: torch.randint(3, (count, 7)),
            "mask": lambda count: torch.randint(5, (count, 4, 5)),
            "tissue": lambda count: torch.randint(2, (count, 3, 2, 4)),
        },
    ),
}
