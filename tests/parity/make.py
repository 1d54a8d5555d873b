"""Makes the stored PyTorch results for LeNet-5 and the specs of specs/parity.

usage: python tests/parity/make.py [NAME...]    (needs: torch torchvision numpy safetensors; made with torch 2.15)

For each net NAME it writes NAME.weights.safetensors, NAME.input.safetensors (inputs and targets, batch first) and
NAME.expected.safetensors (outputs in inference mode; loss and gradients of every trained weight and every input in
training mode with dropout off). `cnnc run` takes the first two and must give the third.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.ops
from safetensors.torch import save_file

import detection
from layers import Canvas, LocalConv, Scale, same_pad

here = pathlib.Path(__file__).parent


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.dense1, self.dense2, self.dense3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, image):
        x = F.avg_pool2d(torch.tanh(self.conv1(image)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.dense2(torch.tanh(self.dense1(x.flatten(1)))))
        self.logits = self.dense3(x)
        return {"probabilities": self.logits.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.c2 = nn.Conv2d(8, 12, (3, 2), bias=False)
        self.c3 = nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=4)
        self.f1, self.f2 = nn.Linear(12 * 4 * 3, 24), nn.Linear(24, 7)

    def forward(self, image):
        x = F.relu(self.c1(image))
        x = F.leaky_relu(self.c2(F.pad(x, (0, 1, 1, 2))), 0.1)
        x = F.max_pool2d(F.relu(self.c3(x)), 3, 2, 1)
        self.logits = self.f2(torch.sigmoid(self.f1(x.flatten(1))))
        return {"probabilities": self.logits.softmax(1), "features": x}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Unit(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o, eps=1e-4, momentum=0.2)
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layer1, self.layer2 = nn.Sequential(Unit(8, 8, 1)), nn.Sequential(Unit(8, 16, 2))
        self.norm, self.fc = nn.BatchNorm1d(16), nn.Linear(16, 5, bias=False)

    def forward(self, image):
        x = self.layer2(self.layer1(self.stem(image)))
        self.logits = self.fc(self.norm(x.mean((2, 3))))
        return {"probabilities": self.logits.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.b1 = nn.Conv2d(4, 5, 1)
        self.b2a, self.b2b = nn.Conv2d(4, 3, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.b3a, self.b3b = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 5, padding=2)
        self.b4 = nn.Conv2d(4, 3, 1)
        self.head, self.aux = nn.Linear(18, 6), nn.Linear(18 * 25, 6)

    def forward(self, image):
        a = F.relu(self.b1(image))
        b = F.relu(self.b2b(F.relu(self.b2a(image))))
        c = F.relu(self.b3b(F.relu(self.b3a(image))))
        d = F.relu(self.b4(F.max_pool2d(image, 3, 1, 1)))
        self.x = F.avg_pool2d(torch.cat([a, b, c, d], 1), 2)
        self.main = self.head(self.x.amax((2, 3)))
        return {"probabilities": self.main.softmax(1)}

    def loss(self, out, label):
        return F.cross_entropy(self.main, label) + 0.3 * F.cross_entropy(self.aux(self.x.flatten(1)), label)


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


class Classic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 5, stride=2), nn.Conv2d(16, 24, 3, padding=1, groups=2)
        self.fc = nn.Linear(24 * 3 * 3, 6)

    def forward(self, image):
        x = F.local_response_norm(F.relu(self.conv1(image)), 5, 0.05, 0.75, 2.0)
        x = F.local_response_norm(F.relu(self.conv2(F.max_pool2d(x, 3, 2))), 4, 0.5, 0.6)
        return {"scores": self.fc(F.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1))}

    def loss(self, out, label):
        return F.cross_entropy(out["scores"], label)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1, self.enc2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 32, 3, stride=2, padding=1)
        self.up1 = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(24, 12, (2, 3), stride=(1, 2), dilation=(2, 1), groups=3, bias=False)
        self.head = nn.ConvTranspose2d(12, 1, 1)

    def forward(self, image):
        skip = F.relu(self.enc1(image))
        up = F.relu(self.up1(F.relu(self.enc2(skip))))
        return {"map": torch.sigmoid(self.head(self.up2(torch.cat([up, skip], 1))))}

    def loss(self, out, wanted):
        return F.binary_cross_entropy(out["map"], wanted)


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.expand, self.norm1 = nn.Conv2d(12, 16, 1, bias=False), nn.BatchNorm2d(16)
        self.depth, self.norm2 = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16)
        self.project = nn.Conv2d(16, 8, 1)
        self.fc1, self.fc2 = nn.Linear(2, 12), nn.Linear(12, 5)

    def forward(self, image):
        x = F.hardswish(self.norm1(self.expand(F.pixel_unshuffle(image, 2))))
        x = F.hardswish(self.norm2(self.depth(x)))
        x = F.pixel_shuffle(F.hardswish(self.project(x)), 2)
        self.logits = self.fc2(F.hardswish(self.fc1(x.mean((2, 3)))))
        return {"probabilities": self.logits.softmax(1), "features": x}

    def loss(self, out, label):
        return F.cross_entropy(self.logits, label)


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


class ChannelsNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


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


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3), nn.Linear(72, 10)
        for p in self.conv1.parameters():
            p.requires_grad_(False)

    def forward(self, x):
        return self.fc(F.leaky_relu(self.conv2(F.avg_pool2d(F.relu(self.conv1(x)), 2))).flatten(1))


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower, self.head = Tower(), nn.Linear(10, 1)

    def forward(self, left, right):
        a, b = self.tower(left), self.tower(right)
        return {"embedding": a, "same": torch.sigmoid(self.head((a - b) ** 2))}

    def loss(self, out, wanted):
        return F.binary_cross_entropy(out["same"], wanted)


class Yolo(nn.Module):
    PRIORS, WIDE = [(6.0, 9.0), (14.0, 11.0)], [(20.0, 16.0), (30.0, 24.0)]

    def __init__(self):
        super().__init__()
        self.conv1, self.head1 = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 13, 1)
        self.head2, self.head3 = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 1)

    def forward(self, image):
        x = torch.tanh(self.conv1(image))
        self.maps = self.head1(x), self.head2(x), self.head3(x)
        priors = None, self.PRIORS, self.WIDE
        decoded = [detection.yolo_decode(v, m, 8, p) for v, m, p in zip((1, 2, 3), self.maps, priors)]
        return {f"boxes{v}": boxes for v, boxes in zip((1, 2, 3), decoded)}

    def loss(self, out, objects):
        first, second, large = self.maps
        loss = detection.yolo_loss(1, first, objects, 8) + detection.yolo_loss(2, second, objects, 8, self.PRIORS, ignore=0.3)
        loss = loss + detection.yolo_loss(3, large, objects, 8, self.WIDE, self.PRIORS, ignore=0.4)
        # Other weights than those of the papers, and boxes that are to be certain whatever they share with their object.
        loss = loss + detection.yolo_loss(1, first, objects, 8, weights=(3, 1, 0.25, 1), rescore=False)
        return loss + detection.yolo_loss(2, second, objects, 8, self.PRIORS, ignore=0.6, weights=(2, 3, 0.5, 0.7), rescore=False)


class Rcnn(nn.Module):
    ANCHORS = {"scales": [12, 24], "ratios": [0.5, 2]}

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 6, 3, padding=1), nn.Conv3d(6, 8, (1, 2, 2))
        self.scores, self.deltas = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 16, 1)
        self.fc, self.kinds, self.moves = nn.Linear(80, 10), nn.Linear(10, 3), nn.Linear(10, 12, bias=False)

    def forward(self, image):
        x = F.leaky_relu(self.conv1(image), 0.1)
        self.found = self.scores(x), self.deltas(x)
        rois = detection.proposals(*self.found, 8, 12, **self.ANCHORS, iou=0.4, pre=60, min_size=4)
        # As the operators of the language have it: regions behind the channels.
        apart = lambda regions: regions.unflatten(0, (-1, 12)).transpose(1, 2)
        each = list(rois)
        pooled = self.conv2(apart(torchvision.ops.roi_pool(x, each, 3, 1 / 8)))
        aligned = apart(torchvision.ops.roi_align(x, each, 2, 1 / 8, 2, aligned=True))
        sampled = apart(torchvision.ops.roi_align(x, each, (1, 4), 1 / 8)).reshape(-1, 6, 12, 2, 2)
        vectors = torch.cat([pooled, aligned, sampled], 1).transpose(1, 2).reshape(-1, 12, 80)
        vectors = torch.tanh(self.fc(vectors))
        self.regions = self.kinds(vectors), self.moves(vectors), rois
        return {"rois": rois, "probabilities": self.regions[0].softmax(2), "moves": self.regions[1]}

    def loss(self, out, objects):
        loss = detection.rpn_loss(*self.found, objects, 8, **self.ANCHORS, positive=0.5, sample=16, balance=2)
        loss = loss + detection.fast_rcnn_loss(*self.regions, objects, positive=0.3, sample=8)
        loss = loss + detection.rpn_loss(*self.found, objects, 8, **self.ANCHORS, positive=0.4, negative=0.15, sample=24, image=(40, 52))
        return loss + detection.fast_rcnn_loss(*self.regions, objects, 0.4, 0.2, sample=10, share=0.5, balance=3)


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

        def entropy(x, t, ignore=-100, weights=None, **more):
            """The mean over the pixels of each image that count, and over the images."""
            weights = None if weights is None else torch.tensor(weights, dtype=x.dtype)
            each = F.cross_entropy(x, t, weights, ignore_index=ignore, reduction="none", **more).flatten(1)
            return (each.sum(1) / (t.flatten(1) != ignore).sum(1).clamp(min=1)).mean()

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


class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.see, self.canvas = nn.Conv2d(3, 6, 3, stride=2, bias=False), Canvas(3, 11, 10)
        self.local = LocalConv(6, 4, (3, 3), (5, 5), 2, 1)
        self.local1 = LocalConv(2, 3, (1, 4), (13,), 1, 2)
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


def classes(n):
    return lambda count: torch.randint(n, (count,))


def labels(n, shape, ignore):
    """Maps of classes, a third of them `ignore`; the last image has nothing else."""
    def draw(count):
        map = torch.randint(n, (count, *shape)).where(torch.rand(count, *shape) > 0.3, ignore)
        map[-1] = ignore
        return map
    return draw


def floats(*shape):
    return lambda count: torch.randn(count, *shape)


def unit(*shape):
    return lambda count: torch.rand(count, *shape)


def objects(n, classes, width, height):
    """Rows of class, centre, size in pixels, the last of them padding."""
    def draw(count):
        size = torch.tensor([width, height])
        places = torch.rand(count, n, 2) * size
        sizes = (0.1 + 0.5 * torch.rand(count, n, 2)) * size
        rows = torch.cat([torch.randint(classes, (count, n, 1)), places, sizes], 2)
        rows[:, -1] = -1
        return rows
    return draw


NETS = {
    "lenet5": (LeNet5, 8, {"image": floats(1, 28, 28)}, {"label": classes(10)}),
    "plain": (Plain, 5, {"image": floats(3, 13, 12)}, {"label": classes(7)}),
    "residual": (Residual, 6, {"image": floats(3, 12, 12)}, {"label": classes(5)}),
    "branches": (Branches, 4, {"image": floats(4, 10, 10)}, {"label": classes(6)}),
    "maps": (Maps, 3, {"image": floats(2, 8, 6)}, {"wanted": unit(1, 4, 6), "point": floats(5)}),
    "classic": (Classic, 3, {"image": floats(3, 31, 31)}, {"label": classes(6)}),
    "decoder": (Decoder, 3, {"image": floats(3, 12, 10)}, {"wanted": unit(1, 14, 21)}),
    "mobile": (Mobile, 5, {"image": floats(3, 10, 12)}, {"label": classes(5)}),
    "functions": (Functions, 4, {"image": floats(3, 9, 8)}, {"label": classes(4)}),
    "shapes": (Shapes, 3, {"image": floats(6, 8, 7)}, {"label": classes(4)}),
    "norms": (
        Norms,
        3,
        {"image": floats(3, 8, 7), "signal": floats(4, 20), "clip": floats(2, 3, 5, 4)},
        {"wanted": floats(6)},
    ),
    "yolo": (Yolo, 3, {"image": floats(4, 4, 6)}, {"objects": objects(6, 3, 48, 32)}),
    "rcnn": (Rcnn, 3, {"image": floats(4, 6, 8)}, {"objects": objects(5, 2, 64, 48)}),
    "losses": (
        Losses,
        4,
        {"image": floats(3, 8, 7), "other": floats(3, 8, 7)},
        {"label": classes(5), "wanted": unit(7), "same": unit(1)},
    ),
    "quotients": (Quotients, 3, {"image": floats(3, 6, 5)}, {"wanted": floats(4, 6, 5)}),
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
    "windows": (
        Windows,
        3,
        {"image": floats(3, 11, 10), "signal": floats(2, 19), "clip": floats(2, 5, 6, 7)},
        {"label": classes(4)},
    ),
    "twins": (Twins, 4, {"left": floats(1, 12, 12), "right": floats(1, 12, 12)}, {"wanted": unit(1)}),
}


def make(name):
    build, count, inputs, targets = NETS[name]
    torch.manual_seed(len(name))
    net = build()
    for key, value in net.state_dict().items():  # statistics that are not the ones a new net has
        if key.endswith("running_mean"):
            value.normal_(0, 0.2)
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    inputs = {k: f(count) for k, f in inputs.items()}
    targets = {k: f(count) for k, f in targets.items()}
    weights = {k: v.clone() for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(weights, here / f"{name}.weights.safetensors")
    save_file({**inputs, **targets}, here / f"{name}.input.safetensors")
    # In double precision, so that the expected numbers are exact to float32.
    net.double()
    inputs = {k: v.double().requires_grad_() for k, v in inputs.items()}
    targets = {k: v.double() if v.is_floating_point() else v for k, v in targets.items()}
    net.eval()
    expected = {k: v.detach().clone() for k, v in net(*inputs.values()).items()}
    net.train()
    loss = net.loss(net(*inputs.values()), *targets.values())
    loss.backward()
    expected["loss"] = loss.detach()
    expected |= {f"grad.{k}": p.grad for k, p in net.named_parameters() if p.requires_grad}
    expected |= {f"grad.{k}": v.grad for k, v in inputs.items()}
    save_file({k: v.float().contiguous() for k, v in expected.items()}, here / f"{name}.expected.safetensors")


for name in sys.argv[1:] or NETS:
    make(name)
