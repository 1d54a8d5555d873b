"""The networks of specs/ that find objects in PyTorch, written after the papers, with the spec's names: see twins.py."""
from collections import OrderedDict

import torch
import torchvision.models as tv
import torchvision.ops
from torch import nn
from torch.nn import functional as F

import detection
from twins import Twin, alexnet_paper, named


def darknet(i, o, k, stride=1):
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(i, o, k, stride, k // 2, bias=False), bn=nn.BatchNorm2d(o),
                                     act=nn.LeakyReLU(0.1)))


class Edge(nn.Module):
    """Darknet's pool of stride 1, which keeps the size."""

    def forward(self, x):
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, 1)


def tiny_yolo_v2():
    widths = [3, 16, 32, 64, 128, 256, 512, 1024, 1024]
    layers = []
    for n, (i, o) in enumerate(zip(widths, widths[1:]), 1):
        layers += [(str(n), darknet(i, o, 3)), *([nn.MaxPool2d(2)] if n < 6 else [Edge()] if n == 6 else [])]
    return named(*layers, ("9", nn.Conv2d(1024, 125, 1)))


class YoloV2(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [32, 64, 128, 64, 128, 256, 128, 256, 512, 256, 512, 256, 512, 1024, 512, 1024, 512, 1024, 1024, 1024]
        windows = [3, 3, 3, 1, 3, 3, 1, 3, 3, 1, 3, 1, 3, 3, 1, 3, 1, 3, 3, 3]
        for n, (i, o, k) in enumerate(zip([3, *widths], widths, windows), 1):
            self.add_module(str(n), darknet(i, o, k))
        self.add_module("21", darknet(512, 64, 1))
        self.add_module("22", darknet(1280, 1024, 3))
        self.add_module("23", nn.Conv2d(1024, 425, 1))

    def forward(self, x):
        layers = dict(self.named_children())
        for n in range(1, 21):
            x = layers[str(n)](x)
            if n == 13:
                fine = x
            if n in (1, 2, 5, 8, 13):
                x = F.max_pool2d(x, 2)
        passed = F.pixel_unshuffle(layers["21"](fine), 2)
        return layers["23"](layers["22"](torch.cat([passed, x], 1)))


class TinyYoloV3(nn.Module):
    def __init__(self):
        super().__init__()
        for n, i, o, k in [(0, 3, 16, 3), (2, 16, 32, 3), (4, 32, 64, 3), (6, 64, 128, 3), (8, 128, 256, 3), (10, 256, 512, 3),
                           (12, 512, 1024, 3), (13, 1024, 256, 1), (18, 256, 128, 1), (14, 256, 512, 3), (21, 384, 256, 3)]:
            self.add_module(str(n), darknet(i, o, k))
        self.add_module("15", nn.Conv2d(512, 255, 1))
        self.add_module("22", nn.Conv2d(256, 255, 1))

    def forward(self, x):
        layers = dict(self.named_children())
        run = lambda x, *numbers: nn.Sequential(*[layers[str(n)] for n in numbers])(x)
        for n in (0, 2, 4, 6):
            x = F.max_pool2d(run(x, n), 2)
        fine = run(x, 8)
        coarse = run(Edge()(run(F.max_pool2d(fine, 2), 10)), 12, 13)
        mixed = torch.cat([F.interpolate(run(coarse, 18), scale_factor=2), fine], 1)
        return run(coarse, 14, 15), run(mixed, 21, 22)


class YoloV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = darknet(3, 32, 3)
        for n, (width, units) in enumerate([(64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)], 1):
            self.add_module(f"down{n}", darknet(width // 2, width, 3, 2))
            pair = lambda: nn.ModuleDict({"1": darknet(width, width // 2, 1), "2": darknet(width // 2, width, 3)})
            self.add_module(f"stage{n}", nn.ModuleDict({str(i): pair() for i in range(units)}))
        five = lambda i, w: named(("1", darknet(i, w, 1)), ("2", darknet(w, 2 * w, 3)), ("3", darknet(2 * w, w, 1)),
                                  ("4", darknet(w, 2 * w, 3)), ("5", darknet(2 * w, w, 1)))
        self.large, self.medium, self.small = five(1024, 512), five(768, 256), five(384, 128)
        self.to_medium, self.to_small = darknet(512, 256, 1), darknet(256, 128, 1)
        for name, width in [("large", 512), ("medium", 256), ("small", 128)]:
            self.add_module(f"{name}_unit", darknet(width, 2 * width, 3))
            self.add_module(f"{name}_map", nn.Conv2d(2 * width, 255, 1))

    def stage(self, x, n):
        x = getattr(self, f"down{n}")(x)
        for pair in getattr(self, f"stage{n}").values():
            x = x + pair["2"](pair["1"](x))
        return x

    def forward(self, x):
        x36 = self.stage(self.stage(self.stage(self.stem(x), 1), 2), 3)
        x61 = self.stage(x36, 4)
        up = lambda x: F.interpolate(x, scale_factor=2)
        a = self.large(self.stage(x61, 5))
        b = self.medium(torch.cat([up(self.to_medium(a)), x61], 1))
        c = self.small(torch.cat([up(self.to_small(b)), x36], 1))
        return (self.large_map(self.large_unit(a)), self.medium_map(self.medium_unit(b)), self.small_map(self.small_unit(c)))


def yolo_v1(features=4096):
    layers, i, n = [], 3, 0
    pairs = lambda a, b: [(a, 1), (b, 3)]
    plan = [(64, 7, 2), 0, (192, 3), 0, (128, 1), (256, 3), *pairs(256, 512), 0, *pairs(256, 512) * 4, *pairs(512, 1024), 0,
            *pairs(512, 1024) * 2, (1024, 3), (1024, 3, 2), (1024, 3), (1024, 3)]
    for step in plan:
        if not step:
            layers.append(nn.MaxPool2d(2))
            continue
        o, k, *stride = step
        n += 1
        layers.append((f"unit{n}", named(("conv1", nn.Conv2d(i, o, k, *stride, padding=k // 2)), nn.LeakyReLU(0.1))))
        i = o
    return named(*layers, nn.Flatten(), ("fc1", nn.Linear(7 * 7 * 1024, features)), nn.LeakyReLU(0.1),
                 ("fc2", nn.Linear(features, 1470)), nn.Unflatten(1, (30, 7, 7)))


class Decoded(nn.Module):
    """The maps of a network of YOLO and the boxes in them. `others` are priors that no map has, but an object may fit better."""

    def __init__(self, version, net, strides, anchors, others=(), ignore=0.5):
        super().__init__()
        for name, layer in net.named_children():
            self.add_module(name, layer)
        object.__setattr__(self, "net", net)
        self.version, self.strides, self.anchors, self.others, self.ignore = version, strides, anchors, others, ignore

    def maps(self, x):
        maps = self.net(x)
        return maps if isinstance(maps, tuple) else (maps,)

    def forward(self, x):
        maps = self.maps(x)
        if x.is_meta:
            return maps
        boxes = [detection.yolo_decode(self.version, m, s, a) for m, s, a in zip(maps, self.strides, self.anchors)]
        return *maps, torch.cat(boxes, 1)

    def loss(self, x, objects):
        total = 0
        for map, stride, own in zip(self.maps(x), self.strides, self.anchors):
            others = [prior for anchors in self.anchors if anchors is not own for prior in anchors] + [*self.others]
            total = total + detection.yolo_loss(self.version, map, objects, stride, own, others or None, ignore=self.ignore)
        return total


def in_cells(*sizes):
    return [(32 * w, 32 * h) for w, h in sizes]



def per_region(layer):
    """Layers of pictures as layers of regions [n, channels, regions, height, width], each apart."""
    for name, inner in layer.named_children():
        if isinstance(inner, nn.Conv2d):
            (k, _), (s, _), (p, _) = inner.kernel_size, inner.stride, inner.padding
            new = nn.Conv3d(inner.in_channels, inner.out_channels, (1, k, k), (1, s, s), (0, p, p), bias=inner.bias is not None)
            setattr(layer, name, new)
        elif isinstance(inner, nn.BatchNorm2d):
            setattr(layer, name, nn.BatchNorm3d(inner.num_features))
        else:
            per_region(inner)
    return layer


def moved(rois, deltas):
    """Boxes of each class by corners, [n, regions, classes, 4]."""
    boxes = torchvision.ops.box_convert(rois, "xyxy", "cxcywh")[:, :, None]
    t = deltas.unflatten(2, (-1, 4)) * torch.tensor([0.1, 0.1, 0.2, 0.2], device=deltas.device)
    sizes = boxes[..., 2:] * t[..., 2:].clamp(max=4.135).exp()
    return detection.corners(torch.cat([boxes[..., :2] + t[..., :2] * boxes[..., 2:], sizes], 3))


class Regions(nn.Module):
    """Fast R-CNN, and with proposals of its own Faster R-CNN."""

    RATIOS = (0.5, 1, 2)

    def __init__(self, deep=False, align=False, count=128, proposes=False, scales=(128, 256, 512), image=(608, 800)):
        super().__init__()
        self.deep, self.align, self.count, self.scales, self.image = deep, align, count, scales, image
        if deep:
            resnet = tv.resnet50(weights=None)
            for name in ("conv1", "bn1", "layer1", "layer2", "layer3"):
                self.add_module(name, getattr(resnet, name))
            self.layer4 = per_region(resnet.layer4)
        else:
            vgg = tv.vgg16(weights=None)
            self.features = vgg.features[:30]
            self.classifier = nn.ModuleDict({"0": vgg.classifier[0], "3": vgg.classifier[3]})
        channels, width = (1024, 2048) if deep else (512, 4096)
        if proposes:
            layers = {"conv": (channels, 512, 3, 1, 1), "cls_logits": (512, 3 * len(scales), 1), "bbox_pred": (512, 12 * len(scales), 1)}
            self.rpn = nn.ModuleDict({name: nn.Conv2d(*sizes) for name, sizes in layers.items()})
        self.predictor = nn.ModuleDict({"cls_score": nn.Linear(width, 21), "bbox_pred": nn.Linear(width, 84)})

    def trunk(self, x):
        if not self.deep:
            return self.features(x)
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer3(self.layer2(self.layer1(x)))

    def propose(self, x):
        """The scores of anchors and what moves them, and the best of the boxes."""
        h = F.relu(self.rpn["conv"](x))
        found = self.rpn["cls_logits"](h), self.rpn["bbox_pred"](h)
        if x.is_meta:
            return found, x.new_empty(len(x), self.count, 4)
        return found, detection.proposals(*found, 16, self.count, self.scales, self.RATIOS, 0.7, 6000, 1, self.image)

    def see(self, x, rois):
        """The scores of regions and what moves them."""
        size = 14 if self.deep else 7
        if x.is_meta:
            regions = x.new_empty(len(x) * self.count, x.shape[1], size, size)
        elif self.align:
            regions = torchvision.ops.roi_align(x, list(rois), size, 1 / 16, 2)
        else:
            regions = torchvision.ops.roi_pool(x, list(rois), size, 1 / 16)
        if self.deep:
            vectors = self.layer4(regions.unflatten(0, (len(x), -1)).transpose(1, 2)).mean((3, 4)).transpose(1, 2)
        else:
            vectors = F.relu(self.classifier["0"](regions.flatten(1).unflatten(0, (len(x), -1))))
            vectors = F.relu(self.classifier["3"](vectors))
        return self.predictor["cls_score"](vectors), self.predictor["bbox_pred"](vectors)

    def forward(self, image, rois=None):
        x, proposed = self.trunk(image), rois is None
        if proposed:
            _, rois = self.propose(x)
        scores, deltas = self.see(x, rois)
        answer = scores.softmax(2), moved(rois, deltas)
        return (rois, *answer) if proposed else answer

    def loss_of_given(self, image, rois, objects):
        return detection.fast_rcnn_loss(*self.see(self.trunk(image), rois), rois.detach(), objects)

    def loss(self, image, objects):
        x = self.trunk(image)
        found, rois = self.propose(x)
        proposing = detection.rpn_loss(*found, objects, 16, self.scales, self.RATIOS, image=self.image)
        return proposing + detection.fast_rcnn_loss(*self.see(x, rois), rois, objects)


class RCNNHead(nn.Module):
    def __init__(self):
        super().__init__()
        for name, layer in alexnet_paper().named_children():
            self.add_module(name, layer if name != "fc8" else nn.Linear(4096, 21))
        self.bbox = nn.Linear(9216, 80)

    def forward(self, x):
        for layer in list(self.children())[:-2]:
            x = layer(x)
            if isinstance(layer, nn.Flatten):
                moves = self.bbox(x)
        return x, self.fc8(x).softmax(1), moves

    def loss(self, x, label, wanted, counts):
        _, probabilities, moves = self(x)
        return F.nll_loss(probabilities.log(), label) + (counts * (moves - wanted) ** 2).sum(1).mean()


def objects(classes, width, height, count=6):
    """So many objects an image, as rows of class, centre, size in pixels; the others are padding. They are always the same, so that
    regions can lie where they are."""
    def draw(shape):
        rows, image = torch.full(shape, -1.0), torch.tensor([width, height])
        some = rows[:, :count] = torch.rand(len(rows), count, 5, generator=torch.Generator().manual_seed(0))
        rows[:, :count, 0] = (some[..., 0] * classes).floor()
        rows[:, :count, 1:3] = some[..., 1:3] * image
        rows[:, :count, 3:] = 10 + some[..., 3:] * image / 2
        return rows
    return draw


def regions_and_objects(width, height):
    """What there is in a picture, and boxes by corners near it, but for the last, which is none."""
    there = objects(20, width, height)

    def regions(shape):
        images, count, _ = shape
        boxes = detection.corners(there((images, 6, 5))[:, :, 1:]).repeat(1, -(-count // 6), 1)[:, :count]
        sizes = (boxes[..., 2:] - boxes[..., :2]).repeat(1, 1, 2)
        boxes = torchvision.ops.clip_boxes_to_image(boxes + 0.2 * sizes * torch.randn(shape), (height, width))
        boxes = torch.cat([boxes[..., :2].minimum(boxes[..., 2:]), boxes[..., :2].maximum(boxes[..., 2:])], 2)
        boxes[:, -1] = 0
        return boxes

    return {"rois": regions, "objects": there}


def yolo(net, outputs, classes, width):
    return Twin(net, outputs, Decoded.loss, given={"objects": objects(classes, width, width)})


def faster_rcnn(**more):
    """With so many objects that some of the proposals of random weights are like one."""
    return Twin(lambda: Regions(count=300, proposes=True, **more), ("rois", "probabilities", "boxes"), Regions.loss,
                given={"objects": objects(20, 800, 608, 40)}, images=1)


def fast_rcnn(**more):
    return Twin(lambda: Regions(**more), ("probabilities", "boxes"), Regions.loss_of_given,
                given=regions_and_objects(800, 608), images=1)


TWINS = {
    "rcnn_head": Twin(RCNNHead, ("features", "probabilities", "moves"), RCNNHead.loss,
                      given={"counts": lambda shape: torch.rand(shape).round()}),
    "fast_rcnn": fast_rcnn(),
    "fast_rcnn --set align=true": fast_rcnn(align=True),
    "faster_rcnn": faster_rcnn(),
    'faster_rcnn --set trunk="resnet50"': faster_rcnn(deep=True),
    'faster_rcnn --set trunk="resnet50" --set align=true': faster_rcnn(deep=True, align=True),
    "yolo_v1": yolo(lambda: Decoded(1, yolo_v1(), (64,), (None,)), ("map", "detections"), 20, 448),
    "yolo_v2": yolo(lambda: Decoded(2, YoloV2(), (32,), (in_cells(
        (0.57273, 0.677385), (1.87446, 2.06253), (3.33843, 5.47434), (7.88282, 3.52778), (9.77052, 9.16828)),), ignore=0.6),
        ("map", "detections"), 80, 416),
    "tiny_yolo_v2": yolo(lambda: Decoded(2, tiny_yolo_v2(), (32,), (in_cells(
        (1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52)),), ignore=0.6), ("map", "detections"), 20, 416),
    "yolo_v3": yolo(lambda: Decoded(3, YoloV3(), (32, 16, 8), (
        [(116.0, 90.0), (156.0, 198.0), (373.0, 326.0)], [(30.0, 61.0), (62.0, 45.0), (59.0, 119.0)],
        [(10.0, 13.0), (16.0, 30.0), (33.0, 23.0)])), ("large", "medium", "small", "detections"), 80, 416),
    "tiny_yolo_v3": yolo(lambda: Decoded(3, TinyYoloV3(), (32, 16), (
        [(81.0, 82.0), (135.0, 169.0), (344.0, 319.0)], [(23.0, 27.0), (37.0, 58.0), (81.0, 82.0)]), [(10.0, 14.0)], ignore=0.7),
        ("large", "small", "detections"), 80, 416),
}
