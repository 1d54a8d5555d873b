"""The recipe of the program `detect` in PyTorch: the same network, initial weights of the same distribution, the same loss,
augmentation, optimizer and schedule, and average precision by code of its own.

    python examples/pytorch/detect.py --seeds 1 2 3
"""

import argparse
import csv
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance
from torch import nn

WIDTH, HEIGHT, CELL = 208, 160, 16
CLASSES = ["Platelets", "RBC", "WBC"]
# As in examples/nets/detect.net.
ANCHORS = torch.tensor([(12.8, 12.6), (32.4, 27.3), (31.1, 34.6), (38.6, 36.6), (66.7, 62.4)])
DATA = Path(__file__).parents[2] / "data/cells"


def read(split):
    """Pictures in the size of the network, each with its boxes [n, 4] by corners and their classes [n]."""
    boxes = {}
    with open(DATA / "boxes.csv") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                corners = [float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")]
                boxes.setdefault(row["file"], []).append((corners, CLASSES.index(row["class"])))
    pictures = []
    for name, found in boxes.items():
        picture = Image.open(DATA / "images" / name).convert("RGB")
        scale = np.array([WIDTH / picture.width, HEIGHT / picture.height] * 2)
        corners = np.array([corners for corners, _ in found]) * scale
        pictures.append((picture.resize((WIDTH, HEIGHT), Image.BILINEAR), corners, np.array([c for _, c in found])))
    return pictures


def changed(picture, corners, classes, random):
    """Mirrored as often as not, moved by up to 16 pixels, with other colours; boxes follow, those nearly gone are dropped."""
    corners = corners.copy()
    if random.random() < 0.5:
        picture = picture.transpose(Image.FLIP_LEFT_RIGHT)
        corners[:, [0, 2]] = WIDTH - corners[:, [2, 0]]
    left, top = random.integers(-16, 17, 2)
    picture = picture.crop((left, top, left + WIDTH, top + HEIGHT))
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    corners -= [left, top, left, top]
    corners = corners.clip(0, [WIDTH, HEIGHT] * 2)
    rest = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    seen = rest >= 0.2 * area
    steps = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
    for step in random.permutation(3):
        picture = steps[step](picture).enhance(random.uniform(0.8, 1.2))
    return picture, corners[seen], classes[seen]


def tensor(picture):
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def unit(inputs, filters, window, stride=1):
    conv = nn.Conv2d(inputs, filters, window, stride, window // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(filters), nn.LeakyReLU(0.1))


class Detect(nn.Module):
    def __init__(self):
        super().__init__()
        pool = nn.MaxPool2d(2)
        self.fine = nn.Sequential(unit(3, 16, 3, 2), unit(16, 32, 3, 2), unit(32, 64, 3), pool, unit(64, 128, 3))
        self.coarse = nn.Sequential(pool, unit(128, 128, 3))
        self.passed = nn.Sequential(unit(128, 32, 1), nn.PixelUnshuffle(2))
        self.head = nn.Sequential(unit(256, 128, 3), nn.Conv2d(128, len(ANCHORS) * (5 + len(CLASSES)), 1))

    def forward(self, x):
        """Numbers of each box, [images, anchors, rows, columns, 5 + classes]."""
        fine = self.fine(x)
        y = self.head(torch.cat([self.passed(fine), self.coarse(fine)], 1))
        return y.unflatten(1, (len(ANCHORS), -1)).permute(0, 1, 3, 4, 2)


def places(y):
    """Boxes by corners of the numbers of one image."""
    rows, columns = torch.meshgrid(torch.arange(y.shape[1]), torch.arange(y.shape[2]), indexing="ij")
    centre = (torch.stack([columns, rows], -1) + y[..., :2].sigmoid()) * CELL
    size = ANCHORS[:, None, None] * y[..., 2:4].exp()
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def iou(a, b):
    """Of all boxes a [n, 4] with all b [m, 4]."""
    both = (torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])).clamp(min=0).prod(-1)
    area = lambda x: (x[:, 2:] - x[:, :2]).prod(-1)
    return both / (area(a)[:, None] + area(b) - both)


def loss_of(y, corners, classes):
    """YOLOv2's loss of one image, as the language documents `yolo_v2`."""
    corners, classes = torch.tensor(corners, dtype=torch.float32), torch.tensor(classes)
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    both = torch.minimum(size[:, None], ANCHORS).prod(-1)
    anchor = (both / (size.prod(-1)[:, None] + ANCHORS.prod(-1) - both)).argmax(1)
    owners = {}
    # The largest objects come first.
    for i in size.prod(-1).argsort(descending=True).tolist():
        column, row = int(centre[i, 0] // CELL), int(centre[i, 1] // CELL)
        if row < y.shape[1] and column < y.shape[2]:
            owners.setdefault((int(anchor[i]), row, column), i)
    with torch.no_grad():
        overlap = iou(places(y).reshape(-1, 4), corners).reshape(*y.shape[:3], -1)
        idle = (overlap <= 0.6).all(-1)
    if not owners:
        return 0.5 * (idle * y[..., 4].sigmoid().square()).sum()
    index = tuple(torch.tensor(list(owners)).T)
    owner = torch.tensor(list(owners.values()))
    idle[index] = False
    at = y[index]
    rescored = overlap[index][torch.arange(len(owner)), owner]
    confidence = 0.5 * (idle * y[..., 4].sigmoid().square()).sum() + 2.5 * (at[:, 4].sigmoid() - rescored).square().sum()
    weight = 2 - size[owner].prod(-1) / (WIDTH * HEIGHT)
    inside = centre[owner] / CELL - torch.stack([index[2], index[1]], -1)
    off = (at[:, :2].sigmoid() - inside).square() + (at[:, 2:4] - (size[owner] / ANCHORS[index[0]]).log()).square()
    location = 0.5 * (weight[:, None] * off).sum()
    return confidence + location + F.cross_entropy(at[:, 5:], classes[owner], reduction="sum")


def learn(net, pictures, epochs, seed, plain, batch=8, rate=2e-3):
    random, steps = np.random.default_rng(seed), math.ceil(len(pictures) / batch)
    optimizer = torch.optim.Adam(net.parameters(), rate)

    def factor(step):
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / (steps * epochs)))
        return cosine * min(1, (step + 1) / steps)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(epochs):
        order = random.permutation(len(pictures))
        for start in range(0, len(order), batch):
            samples = [pictures[i] for i in order[start : start + batch]]
            samples = samples if plain else [changed(*sample, random) for sample in samples]
            maps = net(torch.stack([tensor(sample[0]) for sample in samples]))
            loss = sum(loss_of(y, *sample[1:]) for y, sample in zip(maps, samples)) / len(samples)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def detections(net, picture, least=0.005, overlap=0.5, most=100):
    """Boxes of one picture: class, score, corners; suppressed by better ones of their class."""
    y = net(tensor(picture)[None])[0]
    boxes = places(y).reshape(-1, 4)
    scores = (y[..., 4:5].sigmoid() * y[..., 5:].softmax(-1)).reshape(-1, len(CLASSES))
    kept = []
    for c in range(len(CLASSES)):
        order = scores[:, c].argsort(descending=True)
        order = order[scores[order, c] > least]
        shared = iou(boxes[order], boxes[order]) >= overlap
        alive = torch.ones(len(order), dtype=bool)
        for i in range(len(order)):
            if alive[i]:
                kept.append((c, float(scores[order[i], c]), boxes[order[i]].numpy()))
                alive[i:] &= ~shared[i, i:]
    return sorted(kept, key=lambda d: -d[1])[:most]


def average_precision(pictures, found, c):
    """Area under the curve of precision made to fall, from an IoU of 0.5 on (Pascal VOC since 2010)."""
    answers = sorted(((score, i, box) for i, all in enumerate(found) for k, score, box in all if k == c), key=lambda a: -a[0])
    truths = [corners[classes == c] for _, corners, classes in pictures]
    taken, hits = [np.zeros(len(t), bool) for t in truths], []
    for _, i, box in answers:
        shared = iou(torch.tensor(box)[None].double(), torch.tensor(truths[i]).double())[0].numpy() if len(truths[i]) else []
        best = int(np.argmax(shared)) if len(shared) else -1
        right = best >= 0 and shared[best] >= 0.5 and not taken[i][best]
        if right:
            taken[i][best] = True
        hits.append(right)
    hits = np.cumsum(hits)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = hits / sum(map(len, truths))
    return float((np.diff(recall, prepend=0) * precision).sum())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--plain", action="store_true", help="learn from the pictures as they are")
    arguments = parser.parse_args()
    train, test = read("train"), read("val")
    for seed in arguments.seeds:
        torch.manual_seed(seed)
        net, start = Detect(), time.time()
        learn(net.train(), train, arguments.epochs, seed, arguments.plain)
        seconds = time.time() - start
        net.eval()
        found = [detections(net, picture) for picture, _, _ in test]
        each = [average_precision(test, found, c) for c in range(len(CLASSES))]
        listed = ", ".join(f"{name} {ap:.3f}" for name, ap in zip(CLASSES, each))
        print(f"seed {seed}: mAP@0.5 {np.mean(each):.3f} ({listed}), {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
