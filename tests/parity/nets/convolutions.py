"""Convolutions of all kinds, over one, two and three axes."""
import torch
from torch import nn
from torch.nn import functional as F

from layers import LocalConv
from .draws import floats
from .listed import Listed, cut, numbers, padded, same


class Convolutions(Listed):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(4, 6, 3, dilation=2, groups=2)
        self.depth1 = nn.Conv1d(4, 8, 5, padding=2, groups=4, bias=False)
        self.same1 = nn.Conv1d(4, 3, 4, 3, bias=False)
        self.conv2 = nn.Conv2d(4, 4, (3, 2), (1, 2), dilation=(2, 1), groups=2)
        self.same2, self.same_dilated2 = nn.Conv2d(4, 3, (4, 3), (2, 3)), nn.Conv2d(4, 3, 3, dilation=(1, 2))
        self.conv3 = nn.Conv3d(2, 4, (2, 3, 2), (2, 1, 2), dilation=(1, 2, 2), groups=2)
        self.depth3 = nn.Conv3d(2, 2, (3, 1, 2), groups=2)
        self.same3 = nn.Conv3d(2, 3, (2, 3, 3), (1, 2, 3), bias=False)

    def forward(self, signal, image, clip):
        return {
            "conv1": self.conv1(padded(signal, (2, 1))),
            "depth1": self.depth1(signal),
            "same1": self.same1(padded(signal, *same(signal, 4, 3))),
            "conv2": self.conv2(padded(image, (0, 2), (1, 0))),
            "same2": self.same2(padded(image, *same(image, (4, 3), (2, 3)))),
            "same_dilated2": self.same_dilated2(padded(image, *same(image, 3, 1, (1, 2)))),
            "conv3": self.conv3(padded(clip, (1, 0), 1, (0, 2))),
            "depth3": self.depth3(clip),
            "same3": self.same3(padded(clip, *same(clip, (2, 3, 3), (1, 2, 3)))),
        }


class Transposed(Listed):
    def __init__(self):
        super().__init__()
        self.see = nn.Conv2d(3, 4, (3, 2), (2, 3), 1, dilation=(1, 2), bias=False)
        self.up1 = nn.ConvTranspose1d(4, 6, 3, 2, dilation=2, groups=2)
        self.same1 = nn.ConvTranspose1d(4, 3, 4, 3)
        self.short1 = nn.ConvTranspose1d(4, 2, 2, 3, output_padding=1)
        self.longer1 = nn.ConvTranspose1d(4, 2, 3, 3, 1, output_padding=2, bias=False)
        self.up2 = nn.ConvTranspose2d(4, 6, (3, 2), (2, 1), output_padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
        self.same2 = nn.ConvTranspose2d(4, 4, (4, 3), (2, 3), groups=4)
        self.up3 = nn.ConvTranspose3d(2, 4, (2, 3, 2), (1, 2, 2), output_padding=(0, 1, 0), dilation=(2, 1, 1), groups=2)
        self.same3 = nn.ConvTranspose3d(2, 3, (3, 2, 3), (1, 2, 3), bias=False)

    def forward(self, signal, image, clip):
        seen = self.see(image[:, :3])
        shown = F.conv_transpose2d(seen, self.see.weight, None, (2, 3), 0, (1, 0), dilation=(1, 2))
        return {
            "up1": cut(self.up1(signal), (1, 0)),
            "same1": self.cut_to(self.same1(signal), [18]),
            "short1": self.short1(signal),
            "longer1": self.longer1(signal),
            "up2": cut(self.up2(image), (0, 1), (1, 0)),
            "same2": self.cut_to(self.same2(image), [8, 15]),
            "up3": cut(self.up3(clip), (1, 0), 1, (0, 1)),
            "same3": self.cut_to(self.same3(clip), [3, 6, 12]),
            "shown2": cut(shown, 1, (1, 0)),
        }

    def cut_to(self, x, size):
        """The middle, where what is odd is cut off behind."""
        more = [n - wanted for n, wanted in zip(x.shape[2:], size)]
        return cut(x, *[(n // 2, n - n // 2) for n in more])


class Filters(Listed):
    def __init__(self):
        super().__init__()
        self.local1 = LocalConv(3, 2, (3,), (6,), 2, 1, bias=False)
        self.local2 = LocalConv(3, 2, (2, 3), (3, 4), (3, 2), (1, 2), bias=False)
        self.local3 = LocalConv(2, 2, (2, 1, 3), (2, 2, 3), (2, 3, 2), 1)
        self.slide1, self.slide2 = nn.Linear(3 * 4, 3, bias=False), nn.Linear(3 * 6, 4, bias=False)
        self.slide3 = nn.Linear(2 * 12, 2)

    def forward(self, signal, image, clip):
        row = numbers(image, [1, -2, 1.5]).expand(3, 1, 3)
        square = numbers(image, [[1, 0.5], [0, -1]]).expand(1, 3, 2, 2)
        each = numbers(image, [[[[1], [0.5]]], [[[0], [1]]], [[[2], [-1]]]])
        two = numbers(image, [[[[1, 0]], [[-1, 1]], [[0, 2]]], [[[0.5, 1]], [[0, 0]], [[2, -1]]]])
        cube = numbers(image, [[[1, 2], [0, -1]], [[0.5, 0], [-2, 1]]]).expand(2, 1, 2, 2, 2)
        cubes = numbers(image, [[[[[1, 2]]], [[[3, 4]]]], [[[[0, 1]]], [[[-1, 0]]]]])
        columns = numbers(image, [[1, 1, 1], [1, 2, 1], [3, 10, 3]])[:, :, None] * numbers(image, [1, 0, -1])
        # From left to right and from above, in turn.
        named = torch.stack([columns, columns.mT], 1).flatten(0, 1)[:, None].expand(6, 3, 3, 3)
        slide = lambda conv, x, layer, *size, stride: conv(
            x, layer.weight.unflatten(1, (x.shape[1], *size)), layer.bias, stride
        )
        return {
            "filter1": F.conv1d(padded(signal, (1, 0)), row, stride=2, dilation=2, groups=3),
            "filter2": F.conv2d(image, square, stride=(1, 2), dilation=(2, 1)),
            "each2": F.conv2d(padded(image, *same(image, (2, 1), (1, 3))), each, stride=(1, 3), groups=3),
            "two2": F.conv2d(padded(image, (0, 1), (2, 1)), two, stride=(2, 1), dilation=(1, 3)),
            "each3": F.conv3d(padded(clip, 1, (0, 1), 0), cube, stride=(2, 1, 2), dilation=(1, 2, 1), groups=2),
            "named2": F.conv2d(image, named, padding=1),
            "two3": F.conv3d(clip, cubes, stride=(1, 1, 3)),
            "local1": self.local1(signal),
            "local2": self.local2(padded(image, *same(image, (2, 3), (3, 2), (1, 2)))),
            "local3": self.local3(clip),
            "slide1": slide(F.conv1d, signal, self.slide1, 4, stride=2),
            "slide2": slide(F.conv2d, image, self.slide2, 2, 3, stride=(2, 1)),
            "slide3": slide(F.conv3d, clip, self.slide3, 2, 3, 2, stride=(1, 1, 2)),
        }


NETS = {
    "convolutions": (
        Convolutions,
        2,
        {"signal": floats(4, 13), "image": floats(4, 7, 8), "clip": floats(2, 4, 5, 6)},
        {},
    ),
    "transposed": (Transposed, 2, {"signal": floats(4, 6), "image": floats(4, 4, 5), "clip": floats(2, 3, 3, 4)}, {}),
    "filters": (Filters, 2, {"signal": floats(3, 13), "image": floats(3, 7, 8), "clip": floats(2, 4, 4, 7)}, {}),
}
