"""Makes the files of a network that engines read: weights, inputs, expected outputs, and the network in each engine's format.

usage: convert.py NAME BATCH inference|training ENGINE...

In a process of its own: PyTorch and ncnn each bring a thread pool under the same name, and a process that holds both crashes.
"""
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import save_file
from torch import nn

import files
from networks import NETWORKS, initial_state, loss, module


def stale(path):
    """Whether a file is missing or older than what decides what is in it."""
    sources = [pathlib.Path(__file__).with_name(name) for name in ("convert.py", "networks.py")]
    return not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def write_weights(name):
    if stale(files.weights(name)):
        save_file(initial_state(name), files.weights(name))


def write_data(name, batch, train):
    """The input, and what eager PyTorch makes of it."""
    network = NETWORKS[name]
    torch.manual_seed(1)
    image = torch.randn(batch, *network.image)
    if network.output == "map":
        targets = {"wanted": torch.rand(module(name, files.weights(name))(image[:1]).shape).expand(batch, -1, -1, -1).contiguous()}
    else:
        targets = {"label": (torch.arange(batch) % 10).to(torch.int32)}
    save_file({"image": image, **targets}, files.given(name, batch))
    net = module(name, files.weights(name), train)
    if not train:
        with torch.inference_mode():
            save_file({"output": net(image).contiguous()}, files.expected(name, batch, train))
        return
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    target = targets.get("wanted", targets.get("label"))
    value = loss(net(image), target if target.ndim == 4 else target.long())
    value.backward()
    key, first = next(net.named_parameters())
    save_file({"loss": value.detach().reshape(1), key: first.grad}, files.expected(name, batch, train))


def write_model(engine, name, batch):
    path = files.model(engine, name, batch)
    if not stale(path):
        return
    net = module(name, files.weights(name))
    if engine == "ncnn":  # It has no batches. TorchScript is the road its converter keeps best.
        image = torch.zeros(1, *NETWORKS[name].image)
        torch.jit.trace(net, image).save(str(files.FILES / f"{name}.pt"))
        shape = "inputshape=[" + ",".join(map(str, image.shape)) + "]"
        tool(files.tool("pnnx"), f"{name}.pt", shape, "fp16=0")
        return
    onnx = files.model("onnxruntime", name, batch)
    if stale(onnx):
        image = torch.zeros(batch, *NETWORKS[name].image)
        torch.onnx.export(net, image, str(onnx), input_names=["image"], output_names=["output"], dynamo=False)
    if engine == "mnn":
        tool(files.tool("mnnconvert"), "-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(path), "--bizCode", "x")


def tool(*command):
    subprocess.run(command, cwd=files.FILES, check=True, stdout=subprocess.DEVNULL)


def main():
    name, batch, mode, *engines = sys.argv[1:]
    batch, train = int(batch), mode == "training"
    files.FILES.mkdir(parents=True, exist_ok=True)
    write_weights(name)
    if stale(files.expected(name, batch, train)):
        write_data(name, batch, train)
    for engine in engines:
        write_model(engine, name, batch)


if __name__ == "__main__":
    main()
