"""Seconds per epoch of LeNet-5 on MNIST in PyTorch, for comparison with `cnnc train specs/lenet5_full.yaml`.

usage: python benches/pytorch_lenet.py DATA [--epochs N] [--threads N] [--variant eager|channels_last|compile]
DATA holds the four MNIST files (train-images-idx3-ubyte.gz ...). Needs torch and numpy.

Same network, batch (64), optimizer (SGD, momentum 0.9) and data order of work as the recipe: images are normalised once and kept in
memory, shuffled anew in each epoch, and every epoch ends with an evaluation of the test images (timed apart).
"""
import argparse, gzip, pathlib, time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

args = argparse.ArgumentParser()
args.add_argument("data", type=pathlib.Path)
args.add_argument("--epochs", type=int, default=3)
args.add_argument("--threads", type=int, default=2)
args.add_argument("--variant", default="eager", choices=["eager", "channels_last", "compile"])
args = args.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def idx(name, header):
    return np.frombuffer(gzip.open(args.data / name).read(), np.uint8)[header:]


def images(name):
    x = torch.from_numpy(idx(name, 16).astype(np.float32)).reshape(-1, 1, 28, 28)
    return (x / 255 - 0.1307) / 0.3081


train_x, train_y = images("train-images-idx3-ubyte.gz"), torch.from_numpy(idx("train-labels-idx1-ubyte.gz", 8).astype(np.int64))
test_x, test_y = images("t10k-images-idx3-ubyte.gz"), torch.from_numpy(idx("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64))
net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
                    nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))
if args.variant == "channels_last":
    net = net.to(memory_format=torch.channels_last)
run = torch.compile(net) if args.variant == "compile" else net
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, fused=True)

seconds = []
for epoch in range(args.epochs):
    start = time.perf_counter()
    net.train()
    for batch in torch.randperm(len(train_x)).split(64):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(run(train_x[batch]), train_y[batch]).backward()
        optimizer.step()
    seconds.append(time.perf_counter() - start)
    net.eval()
    with torch.inference_mode():
        right = sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(test_x.split(500), test_y.split(500)))
    print(f"{args.variant} epoch {epoch + 1}: {seconds[-1]:.2f} s, accuracy {right / len(test_x):.2%}", flush=True)
seconds.sort()
print(f"{args.variant} median: {seconds[len(seconds) // 2]:.2f} s per epoch, {len(train_x) / seconds[len(seconds) // 2]:.0f} images/s")
