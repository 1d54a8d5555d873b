"""Losses of vectors, of pictures and of maps."""
import torch
from torch import nn
from torch.nn import functional as F

from .draws import classes, floats, labels, unit


class Losses(nn.Module):
    def __init__(self):
        super().__init__()
        self.see, self.embed, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 5, 7), nn.Linear(7, 5)

    def forward(self, image, other):
        self.x, self.y = torch.tanh(self.see(image)), torch.tanh(self.see(other))
        self.a, self.b = self.embed(self.x.flatten(1)), self.embed(self.y.flatten(1))
        return {"scores": self.head(self.a)}

    def loss(self, out, label, wanted, same):
        x, y, a, b, scores = self.x, self.y, self.a, self.b, out["scores"]
        c = torch.tanh(a - b)
        weights = lambda *numbers: torch.tensor(numbers, dtype=a.dtype)
        gram = lambda x: x.flatten(2) @ x.flatten(2).mT
        differences = lambda x: (x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1])
        there, distance = wanted[:, 0], F.pairwise_distance(a, b)
        squares = lambda x, start, end: ((x - wanted) ** 2)[:, start:end].sum(1)
        presence = lambda x: F.binary_cross_entropy_with_logits(x[:, 0], there, reduction="none")
        losses = [
            F.cross_entropy(scores, label, weights(1, 2, 0.5, 1, 3), label_smoothing=0.1, reduction="none"),
            (scores.softmax(1) - F.one_hot(label, 5)).square().sum(1),
            F.binary_cross_entropy_with_logits(a, wanted, pos_weight=weights(1, 2, 0.5, 3, 1, 0, 4)),
            F.l1_loss(a, wanted) + F.smooth_l1_loss(b, wanted, beta=0.5),
            F.relu(((a - b) ** 2).sum(1) - ((a - c) ** 2).sum(1) + 0.2),
            F.triplet_margin_loss(a, b, c, 1, 2) + F.triplet_margin_loss(a, b, c, 1, 1),
            (same[:, 0] * distance**2 + (1 - same[:, 0]) * F.relu(5 - distance) ** 2) / 2,
            presence(a) + there * squares(a, 1, 7),
            presence(b) + there * (squares(b, 1, 5) + F.cross_entropy(b[:, 5:], wanted[:, 5:], reduction="none")),
            0.1 * ((x - y) ** 2).sum((1, 2, 3)) / 2 + 10 * ((gram(x) - gram(y)) ** 2).sum((1, 2)) / (2 * 4 * 30) ** 2,
            sum(0.05 * d.abs().sum((1, 2, 3)) for d in differences(x)),
            sum(0.05 * d.square().sum((1, 2, 3)) for d in differences(y)),
        ]
        return sum(loss.mean() for loss in losses)


def entropy(x, t, ignore=-100, weights=None, **more):
    """The mean over the pixels of each image that count, and over the images."""
    weights = None if weights is None else torch.tensor(weights, dtype=x.dtype)
    each = F.cross_entropy(x, t, weights, ignore_index=ignore, reduction="none", **more).flatten(1)
    return (each.sum(1) / (t.flatten(1) != ignore).sum(1).clamp(min=1)).mean()


class Segments(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.head1 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.head2, self.head3 = nn.Conv1d(2, 3, 5, padding=2), nn.Conv3d(2, 2, 3, padding=1)
        self.head4 = nn.Linear(168, 5)

    def forward(self, image, signal, clip):
        scores = self.head1(F.relu(self.conv1(image)))
        return {"scores": scores, "beats": self.head2(signal), "organs": self.head3(clip), "kinds": self.head4(image.flatten(1))}

    def loss(self, out, mask, rhythm, tissue, kind):
        scores, beats, organs, kinds = out.values()

        def one_hot(t, classes, ignore):
            return torch.stack([(t == k) & (t != ignore) for k in range(classes)], 1).to(scores.dtype)

        loss = entropy(scores, mask, 255) + entropy(beats, rhythm) + entropy(organs, tissue, 0)
        # Where nothing is left out, weighted or uneven, it is the mean of PyTorch.
        torch.testing.assert_close(entropy(beats, rhythm), F.cross_entropy(beats, rhythm))
        loss = loss + entropy(scores, mask, 255, [1.0, 2.0, 0.5, 3.0], label_smoothing=0.1)
        loss = loss + entropy(beats, rhythm, weights=[0.0, 2.0, 0.5])
        loss = loss + entropy(kinds[:, :, None], kind[:, None], 9, label_smoothing=0.2)
        loss = loss + (scores.softmax(1) - one_hot(mask, 4, 255)).square().mean()
        return loss + (kinds - one_hot(kind, 5, 9)).square().mean()


def of_images(each):
    """The mean over images of what their elements add up to."""
    return each.flatten(1).sum(1).mean()


class Margins(nn.Module):
    """Losses of vectors: one number for each image, by margins, weights and where a square goes over into a line."""

    def forward(self, a, b, c):
        self.points = a, b, c
        return {"ab": a * b, "shares": torch.sigmoid(c)}

    def loss(self, out, wanted, same, label):
        (ab, shares), (a, b, c) = out.values(), self.points
        distance, weights = F.pairwise_distance(a, b), torch.tensor([0.5, 2, 1, 0, 3, 1, 0.25]).to(a)
        squares = lambda x, t, start, end: ((x - t) ** 2)[:, start:end].sum(1)
        presence = lambda x, t: F.binary_cross_entropy_with_logits(x[:, 0], t[:, 0], reduction="none")
        marks, marked = a[:, :5], wanted[:, :5]
        boxes, boxed = torch.cat([a, b], 1), torch.cat([wanted, wanted], 1)
        kinds = F.cross_entropy(boxes[:, 5:], boxed[:, 5:], reduction="none")
        losses = [
            F.relu(((a - b) ** 2).sum(1) - ((a - c) ** 2).sum(1) + 4),
            F.triplet_margin_loss(a, b, c, 0.5, 2) + F.triplet_margin_loss(b, c, a, 6, 1),
            (same[:, 0] * distance**2 + (1 - same[:, 0]) * F.relu(4.5 - distance) ** 2) / 2,
            F.smooth_l1_loss(a, b, beta=0.3) + F.smooth_l1_loss(b, c, beta=2),
            F.l1_loss(ab, c) + F.mse_loss(ab, wanted) + F.binary_cross_entropy(shares, wanted),
            F.binary_cross_entropy_with_logits(a, wanted, pos_weight=torch.tensor(2.5)),
            F.binary_cross_entropy_with_logits(b, wanted, pos_weight=weights),
            F.cross_entropy(c, label, weights, label_smoothing=0.3, reduction="none"),
            presence(marks, marked) + marked[:, 0] * squares(marks, marked, 1, 5),
            presence(boxes, boxed) + boxed[:, 0] * (squares(boxes, boxed, 1, 5) + kinds),
        ]
        return sum(loss.mean() for loss in losses)


class Pictures(nn.Module):
    """Losses of maps over one, two and three axes."""

    def forward(self, signal, image, clip):
        return {"beats": torch.tanh(signal), "scores": torch.tanh(image), "organs": torch.tanh(clip)}

    def loss(self, out, rhythm, mask, tissue, line, square, cube):
        beats, scores, organs = out.values()
        gram = lambda x: x.flatten(2) @ x.flatten(2).mT
        style = lambda x, t: of_images((gram(x) - gram(t)) ** 2) / (2 * x[0].numel()) ** 2
        variation = lambda x, size: sum(of_images(size(x.diff(dim=axis))) for axis in range(2, x.dim()))
        weights = lambda x, *numbers: torch.tensor(numbers).to(x).view(-1, *(1,) * (x.dim() - 2))
        likelihood = F.binary_cross_entropy_with_logits
        return sum([
            entropy(beats, rhythm, 7, [1, 2, 0.5], label_smoothing=0.2),
            entropy(scores, mask, 0, [9, 0.5, 2, 1]),
            entropy(organs, tissue, 1, [0.25, 9, 3], label_smoothing=0.4),
            entropy(3 * organs, tissue, 1, label_smoothing=1),
            likelihood(beats, line, pos_weight=torch.tensor(0.3)),
            likelihood(scores, square, pos_weight=weights(scores, 0.5, 2, 1, 3)),
            likelihood(organs, cube, pos_weight=weights(organs, 4, 1, 0.5)),
            F.binary_cross_entropy(beats.sigmoid(), line) + F.mse_loss(scores, square),
            F.l1_loss(organs, cube) + F.smooth_l1_loss(beats, line, beta=0.4) + F.smooth_l1_loss(organs, cube, beta=0.1),
            0.1 * of_images((beats - line) ** 2) / 2 + 0.05 * of_images((organs - cube) ** 2) / 2,
            9 * style(beats, line) + 9 * style(organs, cube),
            0.02 * variation(beats, torch.abs) + 0.03 * variation(organs, torch.abs),
            0.04 * variation(beats, torch.square) + 0.01 * variation(organs, torch.square),
        ])


NETS = {
    "losses": (
        Losses,
        4,
        {"image": floats(3, 8, 7), "other": floats(3, 8, 7)},
        {"label": classes(5), "wanted": unit(7), "same": unit(1)},
    ),
    "segments": (
        Segments,
        3,
        {"image": floats(3, 8, 7), "signal": floats(2, 40), "clip": floats(2, 3, 4, 3)},
        {
            "mask": labels(4, (8, 7), 255),
            "rhythm": lambda count: torch.randint(3, (count, 40)),
            "tissue": labels(2, (3, 4, 3), 0),
            "kind": labels(5, (), 9),
        },
    ),
    "margins": (
        Margins,
        6,
        {"a": floats(7), "b": floats(7), "c": floats(7)},
        {"wanted": unit(7), "same": unit(1), "label": classes(7)},
    ),
    "pictures": (
        Pictures,
        3,
        {"signal": floats(3, 9), "image": floats(4, 4, 5), "clip": floats(3, 3, 2, 4)},
        {
            "rhythm": labels(3, (9,), 7),
            "mask": labels(4, (4, 5), 0),
            "tissue": labels(3, (3, 2, 4), 1),
            "line": unit(3, 9),
            "square": unit(4, 4, 5),
            "cube": unit(3, 3, 2, 4),
        },
    ),
}
