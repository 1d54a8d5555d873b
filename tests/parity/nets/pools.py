"""Pools, with all that their windows can be."""
import math

import torch
from torch.nn import functional as F

from .draws import floats
from .listed import Listed, cut, padded, same


def unpool(values, switches, like):
    """Values where the switches say, added up; PyTorch's own `max_unpool` keeps one of those that meet."""
    flat = torch.zeros_like(like).flatten(2)
    return flat.scatter_add(2, switches.flatten(2), values.flatten(2)).view_as(like)


def without_padding(pool, x, *pads):
    """The mean over the elements of each window that are no padding."""
    return pool(padded(x, *pads)) / pool(padded(torch.ones_like(x), *pads))


class Pools(Listed):
    def forward(self, signal, image, clip):
        low = {"value": -math.inf}
        pair = lambda x: F.avg_pool2d(x, (3, 2), 2)
        alike = same(image, 3, (2, 3))
        return {
            "max1": F.max_pool1d(padded(signal, (0, 1), **low), 3, 2, dilation=2, ceil_mode=True),
            "max2": F.max_pool2d(padded(image, (1, 0), (0, 1), **low), (3, 2), (2, 3), dilation=(1, 2)),
            "max3": F.max_pool3d(clip, (2, 3, 2), (1, 2, 2), (0, 1, 1), (2, 1, 1), ceil_mode=True),
            "alike_max": F.max_pool2d(padded(image, *alike, **low), 3, (2, 3)),
            "counted1": F.avg_pool1d(signal, 4, 3, 2, ceil_mode=True),
            "counted2": pair(padded(image, (1, 0), (0, 1))),
            "counted3": F.avg_pool3d(clip, 3, 2, 1, ceil_mode=True),
            "uncounted1": F.avg_pool1d(signal, 4, 3, 2, ceil_mode=True, count_include_pad=False),
            "uncounted2": without_padding(pair, image, (1, 0), (0, 1)),
            "uncounted3": F.avg_pool3d(clip, (2, 3, 3), (2, 2, 3), (1, 1, 0), ceil_mode=True, count_include_pad=False),
            "alike_avg": without_padding(lambda x: F.avg_pool2d(x, 3, (2, 3)), image, *alike),
            "adaptive_avg1": F.adaptive_avg_pool1d(signal, 4),
            "adaptive_max1": F.adaptive_max_pool1d(signal, 5),
            "adaptive_avg3": F.adaptive_avg_pool3d(clip, (2, 4, 3)),
            "adaptive_max3": F.adaptive_max_pool3d(clip, (3, 4, 2)),
            "global_avg1": signal.mean(2, keepdim=True),
            "global_max1": signal.amax(2, keepdim=True),
            "global_avg3": clip.mean((2, 3, 4), keepdim=True),
            "global_max3": clip.amax((2, 3, 4), keepdim=True),
        }


class Unpools(Listed):
    def forward(self, signal, image, clip):
        values1, at1 = F.max_pool1d(signal, 3, 2, dilation=2, ceil_mode=True, return_indices=True)
        values2, at2 = F.max_pool2d(image, 3, (2, 1), 1, return_indices=True)
        framed = padded(image, (0, 1), (1, 0), value=-math.inf)
        values, at = F.max_pool2d(framed, (2, 3), 2, return_indices=True)
        alike = same(image, 3, (2, 3))
        wide = padded(image, *alike, value=-math.inf)
        all, all_at = F.max_pool2d(wide, 3, (2, 3), return_indices=True)
        values3, at3 = F.max_pool3d(clip, (2, 2, 3), (2, 1, 2), (1, 0, 1), return_indices=True)
        return {
            "dilated1": unpool(values1.tanh(), at1, signal),
            "overlapping2": unpool(values2.tanh(), at2, image),
            "uneven2": cut(unpool(values.tanh(), at, framed), (0, 1), (1, 0)),
            "alike2": cut(unpool(all.tanh(), all_at, wide), *alike),
            "padded3": unpool(values3.tanh(), at3, clip),
        }


NETS = {
    "pools": (Pools, 2, {"signal": floats(3, 14), "image": floats(2, 8, 9), "clip": floats(2, 5, 6, 7)}, {}),
    "unpools": (Unpools, 2, {"signal": floats(3, 14), "image": floats(2, 8, 9), "clip": floats(2, 5, 6, 7)}, {}),
}
