"""Layers that PyTorch does not have, for make.py and the twins."""
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
    """Filters for each place: rows of `unfold` times weights, added up."""

    def __init__(self, channels, filters, kernel, places, stride, dilation):
        super().__init__()
        depth = channels * kernel[0] * kernel[1]
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.weight = nn.Parameter(torch.randn(filters, depth, *places) / depth**0.5)
        self.bias = nn.Parameter(torch.randn(filters, *places))

    def forward(self, x):
        y = x if x.dim() == 4 else x[:, :, None]
        patches = F.unfold(y, self.kernel, self.dilation, 0, self.stride)
        y = (self.weight.flatten(2) * patches[:, None]).sum(2)
        return y.unflatten(2, self.weight.shape[2:]) + self.bias


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
