"""Layers that PyTorch does not have, for make.py and the twins."""
import math

import torch
from torch import nn
from torch.nn import functional as F


def same_pad(x, kernel, stride):
    """TensorFlow's `same`: output ceil(in / stride), the odd pixel of padding after."""
    pads = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride))):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


class LocalConv(nn.Module):
    """Filters for each place: windows as columns times weights, added up."""

    def __init__(self, channels, filters, kernel, places, stride, dilation, bias=True):
        super().__init__()
        depth = channels * math.prod(kernel)
        alike = lambda v: (v,) * len(kernel) if isinstance(v, int) else v
        self.kernel, self.stride, self.dilation = kernel, alike(stride), alike(dilation)
        self.weight = nn.Parameter(torch.randn(filters, depth, *places) / depth**0.5)
        self.bias = nn.Parameter(torch.randn(filters, *places)) if bias else None

    def forward(self, x):
        axes = len(self.kernel)
        for axis, (size, stride, dilation) in enumerate(zip(self.kernel, self.stride, self.dilation)):
            x = x.unfold(2 + axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
        # From [images, channels, places, window] to [images, 1, channels * window, places].
        columns = x.permute(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)).flatten(1, 1 + axes)[:, None]
        y = (self.weight * columns).sum(2)
        return y if self.bias is None else y + self.bias


class Canvas(nn.Module):
    """A tensor that is learnt and belongs to no layer."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape))


class Scale(nn.Module):
    """A factor for each channel, and perhaps a number to add."""

    def __init__(self, channels, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels) + 0.5)
        self.bias = nn.Parameter(torch.randn(channels)) if bias else None

    def forward(self, x):
        shape = (-1,) + (1,) * (x.dim() - 2)
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)
