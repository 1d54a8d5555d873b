"""The recipe of the program `faces` on Omniglot, by PyTorch: pairs and mined triplets, judged on an alphabet never seen.

usage: python examples/pytorch/faces.py [--seeds 1 2 3] [--data data/omniglot]

Needs torch, numpy and pillow.
"""
import argparse
import gzip
import pathlib

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

DATA = pathlib.Path(__file__).parents[2] / "data/omniglot"
LEARNT, EACH = 110, 20
SHIFT, BATCH, CLASSES, OF_CLASS = 2, 64, 16, 4


def characters(folder):
    """[characters, drawers, 28, 28], ink is 1."""
    with gzip.open(folder / "small1-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 105, 105)
    small = [np.array(Image.fromarray(p).resize((28, 28), Image.BILINEAR)) for p in pixels]
    return torch.from_numpy(np.stack(small).astype(np.float32) / 255).view(-1, EACH, 28, 28)


def moved(picture, rng):
    down, right = rng.integers(-SHIFT, SHIFT + 1, 2)
    padded = F.pad(picture, [SHIFT] * 4)
    return padded[SHIFT + down : SHIFT + down + 28, SHIFT + right : SHIFT + right + 28]


def tower():
    layers = []
    for before, width in [(1, 32), (32, 32), (32, 64)]:
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 9, 64))


def by_pairs(learnt, steps, rng):
    net, head = tower(), nn.Linear(64, 1)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()])
    same = torch.tensor([1.0, 0.0]).repeat(BATCH // 2)
    for _ in range(steps):
        left, right = [], []
        for i in range(BATCH):
            a, b = rng.choice(len(learnt), 2, replace=False)
            first, second = rng.choice(EACH, 2, replace=False)
            left.append(moved(learnt[a, first], rng))
            right.append(moved(learnt[a if i % 2 == 0 else b, second], rng))
        a, b = net(torch.stack(left)[:, None]), net(torch.stack(right)[:, None])
        loss = F.binary_cross_entropy_with_logits(head((a - b).abs())[:, 0], same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def likeness(pictures):
        points = net(pictures)
        return torch.stack([(p - points).abs() @ head.weight[0] for p in points])

    return likeness


def semi_hard(points, labels, rng):
    """A triplet for each anchor and positive; of these as many as a batch has."""
    near = torch.cdist(points, points).square().numpy()
    triplets = []
    for anchor in range(len(labels)):
        others = np.flatnonzero(labels != labels[anchor])
        others = others[np.argsort(near[anchor, others])]
        for positive in np.flatnonzero(labels == labels[anchor]):
            if positive != anchor:
                farther = others[near[anchor, others] > near[anchor, positive]]
                triplets.append((anchor, positive, farther[0] if len(farther) else others[-1]))
    return np.array(triplets)[rng.permutation(len(triplets))[:BATCH]]


def by_triplets(learnt, steps, rng):
    net = tower()
    optimizer = torch.optim.Adam(net.parameters())
    embed = lambda x: F.normalize(net(x[:, None]))
    for _ in range(steps):
        pictures, labels = [], []
        for c in rng.choice(len(learnt), CLASSES, replace=False):
            for number in rng.choice(EACH, OF_CLASS, replace=False):
                pictures.append(moved(learnt[c, number], rng))
                labels.append(c)
        pictures = torch.stack(pictures)
        with torch.no_grad():
            triplets = semi_hard(embed(pictures), np.array(labels), rng)
        a, p, n = (embed(pictures[triplets[:, i]]) for i in range(3))
        loss = ((a - p).square().sum(1) - (a - n).square().sum(1) + 0.2).relu().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return lambda pictures: -torch.cdist(*[F.normalize(net(pictures))] * 2)


def judge(likeness, classes):
    """Area under the ROC curve over all pairs, 20-way one-shot, and nearest in the database of the first ten drawers."""
    labels = np.repeat(np.arange(classes), EACH)
    a, b = np.tril_indices(len(labels), -1)
    scores, same = likeness[a, b], labels[a] == labels[b]
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    auc = (ranks[same].sum() - same.sum() * (same.sum() + 1) / 2) / (same.sum() * (~same).sum())
    rng, right = np.random.default_rng(0), []
    for _ in range(100):
        some = rng.choice(classes, 20, replace=False)
        known, asked = rng.choice(EACH, 2, replace=False)
        right.append(likeness[np.ix_(some * EACH + asked, some * EACH + known)].argmax(1) == np.arange(20))
    drawer = np.arange(len(labels)) % EACH
    queries, database = np.flatnonzero(drawer >= EACH // 2), np.flatnonzero(drawer < EACH // 2)
    nearest = database[likeness[np.ix_(queries, database)].argmax(1)]
    return auc, np.mean(right), np.mean(labels[nearest] == labels[queries])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--data", type=pathlib.Path, default=DATA)
    parser.add_argument("--steps", type=int, nargs=2, default=[1500, 800], help="of pairs and of triplets")
    arguments = parser.parse_args()
    everything = characters(arguments.data)
    learnt, latin = everything[:LEARNT], everything[LEARNT:]
    learnt = torch.cat([learnt.rot90(-turns, (2, 3)) for turns in range(4)])
    for seed in arguments.seeds:
        torch.manual_seed(seed)
        for name, learn, steps in zip(["pairs", "triplets"], [by_pairs, by_triplets], arguments.steps):
            likeness = learn(learnt, steps, np.random.default_rng(seed))
            with torch.no_grad():
                auc, one_shot, nearest = judge(likeness(latin.reshape(-1, 1, 28, 28)).numpy(), len(latin))
            print(f"seed {seed}, {name}: AUC {auc:.4f}, one-shot {one_shot:.1%}, nearest {nearest:.1%}", flush=True)


if __name__ == "__main__":
    main()
