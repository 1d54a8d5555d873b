"""Detectors: boxes of maps and of regions, and their losses."""
import torch
import torchvision.ops
from torch import nn
from torch.nn import functional as F

import detection
from .draws import floats, objects


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


class Cells(nn.Module):
    """Maps of YOLO with other numbers of boxes than two, and other weights than those of the papers."""

    PRIORS, ONE = [(6.0, 9.0), (14.0, 11.0), (25.0, 20.0)], [(12.0, 10.0)]

    def forward(self, three, one, second, large):
        self.maps = three, one, second, large
        return {
            "boxes": detection.yolo_decode(1, three, 8, boxes=3),
            "single": detection.yolo_decode(1, one, 16, boxes=1),
            "mixed": detection.yolo_decode(2, second, 8, self.PRIORS),
            "apart": detection.yolo_decode(3, large, 12, self.ONE),
        }

    def loss(self, out, objects):
        three, one, second, large = self.maps
        return sum([
            detection.yolo_loss(1, three, objects, 8, boxes=3, weights=(2, 1, 0.3, 1)),
            detection.yolo_loss(1, one, objects, 16, boxes=1, rescore=False),
            detection.yolo_loss(2, second, objects, 8, self.PRIORS, ignore=0.1, weights=(0.5, 2, 3, 4)),
            detection.yolo_loss(2, second, objects, 8, self.PRIORS, ignore=0.2, weights=(1, 0.4, 1, 0.1), rescore=False),
            detection.yolo_loss(3, large, objects, 12, self.ONE, ignore=0.1),
            detection.yolo_loss(3, large, objects, 12, self.ONE, [(30.0, 30.0), (3.0, 4.0)], ignore=0.7),
        ])


class Regions(nn.Module):
    """Proposals of a picture that the map does not fill, regions pooled with other scales and samples, other thresholds."""

    def forward(self, image, scores, deltas, kinds, moves):
        shapes = {"scales": [15], "ratios": [0.6, 1, 1.7]}
        rois = detection.proposals(scores, deltas, 8, 6, **shapes, iou=0.3, pre=40, min_size=5, image=(29, 45))
        self.found = scores, deltas, kinds, moves, rois
        apart = lambda regions: regions.unflatten(0, (-1, 6)).transpose(1, 2)
        each, ops = list(rois), torchvision.ops
        return {
            "rois": rois,
            "pooled": apart(ops.roi_pool(image, each, (2, 3), 0.12)),
            "coarse": apart(ops.roi_pool(image, each, 2, 0.05)),
            "aligned": apart(ops.roi_align(image, each, (3, 2), 0.12, 3)),
            "shifted": apart(ops.roi_align(image, each, 2, 0.1, aligned=True)),
            "single": apart(ops.roi_align(image, each, 1, 0.07, 1, aligned=True)),
        }

    def loss(self, out, objects):
        scores, deltas, kinds, moves, rois = self.found
        shapes = {"scales": [15], "ratios": [0.6, 1, 1.7], "image": (29, 45)}
        loss = detection.rpn_loss(scores, deltas, objects, 8, **shapes, positive=0.6, negative=0.2, sample=8, balance=0.5)
        loss = loss + detection.rpn_loss(scores, deltas, objects, 8, **shapes, positive=0.35, negative=0.35, sample=30)
        loss = loss + detection.fast_rcnn_loss(kinds, moves, rois, objects, 0.2, 0, sample=4, share=0.75, balance=0.4)
        loss = loss + detection.fast_rcnn_loss(kinds, moves, rois, objects, 0.6, 0.05, sample=100, share=1)
        return loss + sum(y.square().mean() for y in list(out.values())[1:])


NETS = {
    "yolo": (Yolo, 3, {"image": floats(4, 4, 6)}, {"objects": objects(6, 3, 48, 32)}),
    "rcnn": (Rcnn, 3, {"image": floats(4, 6, 8)}, {"objects": objects(5, 2, 64, 48)}),
    "cells": (
        Cells,
        3,
        {"three": floats(18, 3, 4), "one": floats(8, 2, 2), "second": floats(24, 3, 4), "large": floats(8, 2, 3)},
        {"objects": objects(4, 3, 32, 24)},
    ),
    "regions": (
        Regions,
        3,
        {
            "image": floats(3, 4, 6),
            "scores": floats(3, 4, 6),
            "deltas": floats(12, 4, 6),
            "kinds": floats(6, 4),
            "moves": floats(6, 16),
        },
        {"objects": objects(4, 3, 45, 29)},
    ),
}
