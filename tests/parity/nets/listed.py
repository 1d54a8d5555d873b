"""What the networks share that try the options of operators one by one."""
import torch
from torch import nn
from torch.nn import functional as F


class Listed(nn.Module):
    """Every option is an output; the loss is what their mean squares add up to."""

    def loss(self, out):
        return sum(y.square().mean() for y in out.values())


def padded(x, *pads, value=0.0):
    """Padding as the language has it: (before, after) for each axis of space in order, or one number for both."""
    pads = [(p, p) if isinstance(p, int) else p for p in pads]
    return F.pad(x, [n for pad in reversed(pads) for n in pad], value=value)


def cut(x, *pads):
    """Elements of the axes of space without so many before and after."""
    for axis, pad in enumerate(pads):
        before, after = (pad, pad) if isinstance(pad, int) else pad
        x = x.narrow(2 + axis, before, x.shape[2 + axis] - before - after)
    return x


def same(x, kernel, stride=1, dilation=1):
    """Padding after which there are as many windows as the size over the stride, rounded up; the odd element after."""
    axes = range(x.dim() - 2)
    kernel, stride, dilation = ([v] * len(axes) if isinstance(v, int) else v for v in (kernel, stride, dilation))
    pads = []
    for a in axes:
        size = x.shape[2 + a]
        total = max((-(-size // stride[a]) - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1 - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def numbers(like, rows):
    return torch.tensor(rows, dtype=like.dtype)
