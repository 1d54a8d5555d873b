"""The networks of specs/ that show or make pictures in PyTorch, written after the papers, with the spec's names: see twins.py."""
import torch
import torchvision.models as tv
from torch import nn
from torch.nn import functional as F

from layers import Canvas
from twins import Twin


class Edges(nn.Module):
    """Sobel's filters, the same for all channels."""

    functional_macs = 2 * 64 * 64 * 27

    def forward(self, x):
        across = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).to(x).expand(1, 3, 3, 3)
        vertical, horizontal = F.conv2d(x, across, padding=1), F.conv2d(x, across.mT, padding=1)
        return vertical, horizontal, (vertical**2 + horizontal**2).sqrt()


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

    def see(self, x):
        """What the way back needs, and logits."""
        pool = lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)
        norm = lambda x: F.local_response_norm(x, 5, 5e-4, 0.75, 2.0)
        map1 = F.relu(self.conv1(x))
        y, switches1 = pool(map1)
        map2 = F.relu(self.conv2(norm(y)))
        y, switches2 = pool(map2)
        map5 = F.relu(self.conv5(F.relu(self.conv4(F.relu(self.conv3(norm(y)))))))
        logits = F.relu(self.fc7(F.relu(self.fc6(F.max_pool2d(map5, 3, 2).flatten(1)))))
        return map1, switches1, map2, switches2, map5, self.fc8(logits)

    def logits(self, x):
        return self.see(x)[-1]

    def forward(self, x):
        map1, switches1, map2, switches2, map5, logits = self.see(x)
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
        layers = list(tv.vgg19(weights=None).features.children())[:30]
        self.features = nn.Sequential(*[nn.AvgPool2d(2) if isinstance(l, nn.MaxPool2d) else l for l in layers])
        self.features.requires_grad_(False)
        self.image = Canvas(3, size, size)

    def forward(self, photo, painting):
        image = self.image.weight.expand_as(photo)
        kept = self.walk(image, 23)[22] - self.walk(photo, 23)[22]
        return image, (kept**2).sum((1, 2, 3)) / 2

    def walk(self, x, layers):
        seen = []
        for layer in self.features[:layers]:
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            seen.append(x)
        return seen

    def see(self, x):
        seen = self.walk(x, 30)
        return seen[22], [seen[i] for i in (1, 6, 11, 20, 29)]

    def pictures(self, photo, painting):
        return self.image.weight.expand_as(photo), photo, painting

    def once(self, *inputs):
        self.see(torch.cat(self.pictures(*inputs)))

    def loss(self, *inputs):
        (things, layers), (real, _), (_, painted) = map(self.see, self.pictures(*inputs))
        gram = lambda x: x.flatten(2) @ x.flatten(2).mT
        style = [((gram(a) - gram(b)) ** 2).sum((1, 2)) / (2 * a[0].numel()) ** 2 for a, b in zip(layers, painted)]
        return (((things - real) ** 2).sum((1, 2, 3)) / 2 + 200 * sum(style)).mean()


TWINS = {
    "edges": Twin(Edges, ("vertical", "horizontal", "strength"), loss=None),
    "deconvnet": Twin(DeconvNet, ("logits", "pattern"), loss=lambda net, x, label: F.cross_entropy(net.logits(x), label),
                      once=DeconvNet.logits),
    "style": Twin(lambda: Style(256), ("image", "kept"), loss=Style.loss, once=Style.once),
}
