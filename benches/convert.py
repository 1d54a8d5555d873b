"""Makes what engines are given of a network: weights, images, what PyTorch makes of them, and the network in each engine's format.

usage: convert.py NAME BATCH inference|training ENGINE...

Says which of the engines now have what they need. In a process of its own: PyTorch and ncnn each bring a thread pool under the same name, and a process that holds both crashes.
`CNNC` names our command.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

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


def images(name, batch):
    torch.manual_seed(1)
    return torch.randn(batch, *NETWORKS[name].image)


def write_inference(name, batch):
    """Images, and the output of eager PyTorch under the spec's name for it."""
    image = images(name, batch)
    save_file({"image": image}, files.given(name, batch))
    with torch.inference_mode():
        output = module(name, files.weights(name))(image)
    save_file({NETWORKS[name].output: output.contiguous()}, files.expected(name, batch, train=False))


def write_training(name, batch):
    """Images and targets, and the loss and gradient of eager PyTorch, without dropout."""
    image, labels = images(name, batch), torch.arange(batch) % 10
    save_file({"image": image, "label": labels.to(torch.int32)}, files.lesson(name, batch))
    net = module(name, files.weights(name), train=True)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    value = loss(net(image), labels)
    value.backward()
    key, first = next(net.named_parameters())
    save_file({"loss": value.detach().reshape(1), key: first.grad}, files.expected(name, batch, train=True))


def write_onnx(name, batch):
    path = files.model("onnxruntime", name, batch)
    if stale(path):
        net, image = module(name, files.weights(name)), torch.zeros(batch, *NETWORKS[name].image)
        torch.onnx.export(net, image, str(path), input_names=["image"], output_names=["output"], dynamo=False)
    return path


def write_ncnn(name, _):
    """One image at a time, since ncnn has no batches; by way of TorchScript, the road that its converter keeps best."""
    image = torch.zeros(1, *NETWORKS[name].image)
    torch.jit.trace(module(name, files.weights(name)), image).save(str(files.FILES / f"{name}.pt"))
    tool("pnnx", f"{name}.pt", "inputshape=[" + ",".join(map(str, image.shape)) + "]", "fp16=0")


def write_mnn(name, batch):
    path = files.model("mnn", name, batch)
    tool("mnnconvert", "-f", "ONNX", "--modelFile", write_onnx(name, batch), "--MNNModel", path, "--bizCode", "x")


def write_openvino(name, batch):
    tool("ovc", write_onnx(name, batch), "--output_model", files.model("openvino", name, batch), "--compress_to_fp16=False")


def tool(name, *arguments):
    """Runs a program of the virtual environment."""
    command = [pathlib.Path(sys.executable).with_name(name), *arguments]
    subprocess.run([str(c) for c in command], cwd=files.FILES, check=True, stdout=sys.stderr)


def write_program(name):
    """Our own format: a program, which is nothing but the emitted code and a `main` that times it."""
    settings = [word for setting in NETWORKS[name].settings for word in ("--set", setting)]
    crate = files.CRATES / name
    with tempfile.TemporaryDirectory() as folder:
        emitted = pathlib.Path(folder) / name
        subprocess.run([os.environ["CNNC"], "build", name, "--infer-only", *settings, "--out", emitted], check=True, stdout=sys.stderr)
        type_name = re.search(r"^pub struct (\w+) \{", (emitted / "src" / "lib.rs").read_text(), re.MULTILINE)[1]
        manifest = emitted / "Cargo.toml"
        package = re.search('^name = "(.*)"$', manifest.read_text(), re.MULTILINE)[1]
        with manifest.open("a") as more:
            more.write(f'\n[[bin]]\nname = "{name}"\npath = "src/main.rs"\n')
        construct = f"|options| Box::new({package}::{type_name}::with_options(options))"
        main = f"mod measure;\n\nfn main() -> Result<(), Box<dyn std::error::Error>> {{\n    measure::main({construct})\n}}\n"
        (emitted / "src" / "main.rs").write_text(main)
        shutil.copy(files.ROOT / "benches" / "cnnc" / "measure.rs", emitted / "src")
        shutil.copy(files.ROOT / "Cargo.lock", emitted)
        for new in (path for path in emitted.rglob("*") if path.is_file()):
            update(new, crate / new.relative_to(emitted))
    command = ["cargo", "build", "--release", "--manifest-path", crate / "Cargo.toml", "--target-dir", files.CARGO_TARGET]
    subprocess.run(command, check=True)


def update(new, old):
    """Copies a file where its text differs, so that cargo does not build again what it has built. Its lock file is cargo's."""
    if not old.exists() or (old.name != "Cargo.lock" and old.read_bytes() != new.read_bytes()):
        old.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(new, old)


def write_model(engine, name, batch):
    path = files.model(engine, name, batch)
    writers = {"openvino": write_openvino, "ncnn": write_ncnn, "mnn": write_mnn, "mnn_small_tiles": write_mnn}
    if engine == "cnnc":
        write_program(name)
    elif path.suffix == ".onnx":
        write_onnx(name, batch)
    elif engine in writers and stale(path):
        writers[engine](name, batch)


def main():
    name, batch, mode, *engines = sys.argv[1:]
    batch, train = int(batch), mode == "training"
    files.FILES.mkdir(parents=True, exist_ok=True)
    write_weights(name)
    if stale(files.expected(name, batch, train)):
        (write_training if train else write_inference)(name, batch)
    able = []
    for engine in engines:
        try:
            if not train:
                write_model(engine, name, batch)
            able.append(engine)
        except Exception:  # Whatever a converter stumbles over; the other engines can do without it.
            traceback.print_exc()
    print(" ".join(able))


if __name__ == "__main__":
    main()
