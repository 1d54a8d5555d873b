"""Numbers for weights that need no file, and what is kept of tensors in place of all their numbers; `tests/src/sketch.rs` has the same.

Numbers are drawn by SplitMix64 (Steele, Lea & Flood 2014) from the name of what they are for, so that any part can be drawn by itself.
"""
import torch
import numpy as np

SAMPLES = 32
PART = 1 << 22
M64 = (1 << 64) - 1


def seed(text):
    """FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & M64
    return value


def mixed(start, first, count):
    """The numbers `first` and following of SplitMix64's sequence from `start`, as 64 bits each."""
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def drawn(name, shape, middle, reach):
    """A tensor of numbers that lie evenly within `reach` of `middle`, both as floats."""
    y, start = torch.empty(shape), seed(name)
    flat, middle, reach = y.view(-1).numpy(), float(np.float32(middle)), float(np.float32(reach))
    for first in range(0, len(flat), PART):
        part = flat[first:first + PART]
        unit = (mixed(start, first, len(part)) >> np.uint64(40)).astype(np.float64) / (1 << 24)
        part[:] = middle + reach * (2 * unit - 1)
    return y


def sketch(x):
    """The norm, the sum with random signs, the largest magnitude, and samples (all numbers, where there are that few)."""
    flat = x.detach().double().reshape(-1).numpy()
    start, signed = seed("signs"), 0.0
    for first in range(0, len(flat), PART):
        part = flat[first:first + PART]
        signs = (mixed(start, first, len(part)) >> np.uint64(63)).astype(np.float64) * 2 - 1
        signed += float(part @ signs)
    few = len(flat) <= SAMPLES
    at = np.arange(len(flat)) if few else mixed(seed("samples"), 0, SAMPLES) % np.uint64(len(flat))
    return torch.tensor([np.linalg.norm(flat), signed, np.abs(flat).max(), *flat[at.astype(np.int64)]], dtype=torch.float32)
