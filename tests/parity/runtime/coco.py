"""Writes coco.json: boxes, and what pycocotools says of them.

    pip install pycocotools && python tests/parity/runtime/coco.py
"""

import contextlib
import io
import json
import pathlib
import random

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

IMAGES, CLASSES = 10, 3


def make(seed):
    """Boxes in halves of pixels, so that areas are exact: [image, class, x, y, width, height, ...]."""
    rng = random.Random(seed)
    truths, found = [], []
    for image in range(IMAGES):
        for _ in range(rng.randint(0, 7)):
            size = rng.choice([12, 60, 200])
            x, y = rng.randrange(0, 400) / 2, rng.randrange(0, 400) / 2
            w, h = (rng.randrange(size, 3 * size) / 2 for _ in range(2))
            kind, crowd = rng.randrange(CLASSES), int(rng.random() < 0.12)
            area = round(w * h * rng.uniform(0.5, 1), 1)
            truths.append([image, kind, x, y, w, h, area, crowd])
            for _ in range(rng.choice([0, 1, 1, 2, 4])):
                shake = lambda v: max(1, v + rng.randrange(-size // 8 - 1, size // 8 + 2) / 2)
                guess = kind if rng.random() < 0.85 else rng.randrange(CLASSES)
                score = rng.randrange(1, 200) / 200
                found.append([image, guess, shake(x), shake(y), shake(w), shake(h), score])
        for _ in range(rng.randint(0, 14)):
            box = [rng.randrange(2, 300) / 2 for _ in range(4)]
            found.append([image, rng.randrange(CLASSES), *box, rng.randrange(1, 150) / 200])
    return truths, found


def evaluate(truths, found):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(IMAGES)],
        "categories": [{"id": i} for i in range(CLASSES)],
        "annotations": [
            {"id": n + 1, "image_id": t[0], "category_id": t[1], "bbox": t[2:6], "area": t[6], "iscrowd": t[7]}
            for n, t in enumerate(truths)
        ],
    }
    coco.createIndex()
    results = [{"image_id": f[0], "category_id": f[1], "bbox": f[2:6], "score": f[6]} for f in found]
    run = COCOeval(coco, coco.loadRes(results), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return list(run.stats)


def main():
    cases = []
    with contextlib.redirect_stdout(io.StringIO()):
        for seed in range(3):
            truths, found = make(seed)
            cases.append({"truths": truths, "found": found, "stats": evaluate(truths, found)})
    path = pathlib.Path(__file__).with_name("coco.json")
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
