"""YOLO and Faster R-CNN in plain PyTorch: boxes, assignments and losses, one image at a time, for make.py and
detectors.py.

Objects are rows of class, centre x and y, width and height in pixels; a class of -1 is padding.
"""
import math

import torch
import torchvision.ops
from torch.nn import functional as F


def corners(boxes):
    return torchvision.ops.box_convert(boxes, "cxcywh", "xyxy")


def iou(a, b):
    """What each of some boxes (centre, size) shares with each of others."""
    return torchvision.ops.box_iou(corners(a), corners(b))


def shape_iou(a, b):
    both = torch.minimum(a[:, None], b).prod(2)
    return both / (a.prod(1)[:, None] + b.prod(1) - both)


def cells(version, x, boxes):
    """The map of an image as [height, width, boxes, 5 + classes]."""
    if version == 1:
        places, classes = x[:5 * boxes].unflatten(0, (boxes, 5)), x[5 * boxes:]
        x = torch.cat([places, classes.expand(boxes, *classes.shape)], 1)
    else:
        x = x.unflatten(0, (boxes, -1))
    return x.permute(2, 3, 0, 1)


def yolo_boxes(version, x, stride, anchors, boxes):
    """Centre, size, confidence and classes of all boxes of an image, [height, width, boxes, 5 + classes]."""
    t = cells(version, x, boxes)
    rows, columns = torch.meshgrid(*[torch.arange(n).to(x) for n in t.shape[:2]], indexing="ij")
    corner = torch.stack([columns, rows], 2)[:, :, None]
    if version == 1:
        image = torch.tensor([t.shape[1], t.shape[0]]).to(x) * stride
        return torch.cat([(corner + t[..., :2]) * stride, t[..., 2:4] ** 2 * image, t[..., 4:]], 3)
    classes = t[..., 5:].softmax(3) if version == 2 else t[..., 5:].sigmoid()
    place = (corner + t[..., :2].sigmoid()) * stride
    return torch.cat([place, anchors * t[..., 2:4].exp(), t[..., 4:5].sigmoid(), classes], 3)


def yolo_decode(version, maps, stride, anchors=None, boxes=2):
    anchors = anchors if anchors is None else torch.tensor(anchors).to(maps)
    boxes = boxes if anchors is None else len(anchors)
    return torch.stack([yolo_boxes(version, x, stride, anchors, boxes).flatten(0, 2) for x in maps])


# Weights of place and size, of the confidence with and without an object, and of the classes, as the papers have them.
WEIGHTS = {1: (5, 1, 0.5, 1), 2: (1, 5, 1, 1), 3: (1, 1, 1, 1)}


def yolo_loss(version, maps, objects, stride, anchors=None, others=None, boxes=2, ignore=0.5, weights=None, rescore=True):
    """The mean over images. What is wanted of a confidence with an object is the overlap (`rescore`), or 1."""
    weights = weights or WEIGHTS[version]
    rescore = rescore and version < 3
    anchors = anchors if anchors is None else torch.tensor(anchors).to(maps)
    others = torch.empty(0, 2).to(maps) if others is None else torch.tensor(others).to(maps)
    boxes = boxes if anchors is None else len(anchors)
    return torch.stack([
        yolo_loss_of_image(version, x, o[o[:, 0] >= 0], stride, anchors, others, boxes, ignore, weights, rescore)
        for x, o in zip(maps, objects)
    ]).mean()


def yolo_loss_of_image(version, x, objects, stride, anchors, others, boxes, ignore, weights, rescore):
    coord, with_object, without, of_class = weights
    t = cells(version, x, boxes)
    found = yolo_boxes(version, x, stride, anchors, boxes)[..., :4].detach()
    image = torch.tensor([t.shape[1], t.shape[0]]).to(x) * stride

    def error(t, wanted):
        if version == 1:
            return (t - wanted) ** 2
        if version == 2:
            return 0.5 * (t.sigmoid() - wanted) ** 2
        return F.binary_cross_entropy_with_logits(t, wanted, reduction="none")

    # Who is responsible for which object: the first of a cell, and from the second version on of each of its boxes.
    owners = {}
    for o in objects:
        column, row = (o[1:3] / stride).floor().long().tolist()
        if version == 1:
            taken = any((row, column, b) in owners for b in range(boxes))
            best = iou(found[row, column], o[None, 1:]).argmax().item()
        else:
            fits = shape_iou(torch.cat([anchors, others]), o[None, 3:])[:, 0]
            best = fits.argmax().item()
            taken = best >= boxes or (row, column, best) in owners
        if not taken:
            owners[row, column, best] = o

    weight = torch.full(t.shape[:3], float(without)).to(x)
    if version > 1 and len(objects):
        near = iou(found.flatten(0, 2), objects[:, 1:]).amax(1) > ignore
        weight[near.view(weight.shape)] = 0
    wanted = torch.zeros_like(weight)
    total = 0
    for at, o in owners.items():
        row, column, which = at
        weight[at] = with_object
        wanted[at] = iou(found[at][None], o[None, 1:])[0, 0] if rescore else 1
        inside = o[1:3] / stride - torch.tensor([column, row]).to(x)
        if version == 1:
            size = (t[at][2:4] - (o[3:] / image).sqrt()) ** 2
            scale = coord
        else:
            size = 0.5 * (t[at][2:4] - (o[3:] / anchors[which]).log()) ** 2
            scale = coord * (2 - o[3] * o[4] / image.prod())
        total = total + scale * (error(t[at][:2], inside) + size).sum()
        if version == 2:
            total = total + of_class * F.cross_entropy(t[at][5:], o[0].long())
        else:
            total = total + error(t[at][5:], F.one_hot(o[0].long(), t.shape[3] - 5).to(x)).sum()
    return total + (weight * error(t[..., 4], wanted)).sum()


def anchors(scores, stride, scales, ratios):
    """Centre and size of every anchor of a map [shapes, height, width]: shape by shape, row by row."""
    shapes = torch.tensor([(s / math.sqrt(r), s * math.sqrt(r)) for r in ratios for s in scales]).to(scores)
    rows, columns = torch.meshgrid(*[(torch.arange(n).to(scores) + 0.5) * stride for n in scores.shape[1:]], indexing="ij")
    centres = torch.stack([columns, rows], 2).flatten(0, 1)
    return torch.cat([torch.cat([centres, shape.expand_as(centres)], 1) for shape in shapes])


def moves(deltas):
    """[4 shapes, height, width] as a row for each anchor."""
    return deltas.unflatten(0, (-1, 4)).permute(0, 2, 3, 1).flatten(0, 2)


def proposals(scores, deltas, stride, count, scales, ratios, iou, pre, min_size, image=None):
    """Boxes of each image by corners."""
    height, width = image or (scores.shape[2] * stride, scores.shape[3] * stride)
    result = []
    for s, d in zip(scores.detach(), deltas.detach()):
        a, t = anchors(s, stride, scales, ratios), moves(d)
        sizes = a[:, 2:] * t[:, 2:].clamp(max=math.log(1000 / 16)).exp()
        boxes = corners(torch.cat([a[:, :2] + t[:, :2] * a[:, 2:], sizes], 1))
        boxes = torchvision.ops.clip_boxes_to_image(boxes, (height, width))
        order = s.flatten().argsort(descending=True, stable=True)[:pre]
        order = order[torchvision.ops.remove_small_boxes(boxes[order], min_size)]
        kept = order[torchvision.ops.nms(boxes[order], s.flatten()[order], iou)][:count]
        result.append(F.pad(boxes[kept], (0, 0, 0, count - len(kept))))
    return torch.stack(result)


def encoded(boxes, objects):
    """The numbers that move boxes to objects."""
    return torch.cat([(objects[:, :2] - boxes[:, :2]) / boxes[:, 2:], (objects[:, 2:] / boxes[:, 2:]).log()], 1)


def sample_weights(size, share, positives, negatives):
    """What a positive and a negative example count in the mean over all samples that could be drawn."""
    drawn = min(positives, size * share)
    others = min(negatives, size - drawn)
    return drawn / max(positives, 1) / max(drawn + others, 1), others / max(negatives, 1) / max(drawn + others, 1)


def rpn_loss(scores, deltas, objects, stride, scales, ratios, positive=0.7, negative=0.3, sample=256, balance=1, image=None):
    """The mean over images."""
    height, width = image or (scores.shape[2] * stride, scores.shape[3] * stride)
    losses = []
    for s, d, o in zip(scores, deltas, objects):
        a, t, o = anchors(s, stride, scales, ratios), moves(d), o[o[:, 0] >= 0]
        c = corners(a)
        inside = (c[:, 0] >= 0) & (c[:, 1] >= 0) & (c[:, 2] <= width) & (c[:, 3] <= height)
        shared = iou(a, o[:, 1:]) * inside[:, None]
        best = shared.amax(1)
        is_object = (best >= positive) | ((shared >= 0.9999 * shared.amax(0)) & (shared > 0)).any(1)
        is_none = inside & ~is_object & (best < negative)
        p, n = sample_weights(sample, 0.5, int(is_object.sum()), int(is_none.sum()))
        error = F.binary_cross_entropy_with_logits(s.flatten(), is_object.to(s), reduction="none")
        wanted = encoded(a[is_object], o[shared.argmax(1)[is_object], 1:])
        place = F.smooth_l1_loss(t[is_object], wanted, reduction="sum")
        losses.append(p * (error[is_object].sum() + balance * place) + n * error[is_none].sum())
    return torch.stack(losses).mean()


def fast_rcnn_loss(scores, deltas, rois, objects, positive=0.5, negative=0.1, sample=64, share=0.25, balance=1):
    """The mean over images."""
    losses = []
    for s, d, r, o in zip(scores, deltas, rois, objects):
        o = o[o[:, 0] >= 0]
        boxes = torchvision.ops.box_convert(r, "xyxy", "cxcywh")
        shared = iou(boxes, o[:, 1:])
        best = shared.amax(1)
        some = (boxes[:, 2:] > 0).all(1)
        is_object, is_none = some & (best >= positive), some & (best < positive) & (best >= negative)
        p, n = sample_weights(sample, share, int(is_object.sum()), int(is_none.sum()))
        its = o[shared.argmax(1)]
        classes = torch.where(is_object, its[:, 0].long() + 1, 0)
        error = F.cross_entropy(s, classes, reduction="none")
        wanted = encoded(boxes[is_object], its[is_object, 1:]) / torch.tensor([0.1, 0.1, 0.2, 0.2]).to(s)
        moved = d.unflatten(1, (-1, 4))[is_object, classes[is_object]]
        place = F.smooth_l1_loss(moved, wanted, reduction="sum")
        losses.append(p * (error[is_object].sum() + balance * place) + n * error[is_none].sum())
    return torch.stack(losses).mean()
