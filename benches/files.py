"""What is kept where."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "peers"
FILES = HOME / "files"
CRATES = HOME / "crates"
"""Emitted networks."""
CARGO_TARGET = HOME / "cargo"
"""Where they and the peers in Rust are built."""


def program(name):
    """Of a network, as cnnc deploys it."""
    return CARGO_TARGET / "release" / name


def weights(name):
    return FILES / f"{name}.safetensors"


def given(name, batch):
    """Images."""
    return FILES / f"{name}_{batch}.input.safetensors"


def lesson(name, batch):
    """Images and targets, under the names of the spec."""
    return FILES / f"{name}_{batch}.lesson.safetensors"


def expected(name, batch, train):
    """What PyTorch makes of them: the output, or the loss and, under its name, the gradient of the first weight."""
    return FILES / f"{name}_{batch}.{'training' if train else 'output'}.safetensors"


def model(engine, name, batch):
    """The file that an engine reads; those that are not named here read weights."""
    onnx = FILES / f"{name}_{batch}.onnx"
    mnn = onnx.with_suffix(".mnn")
    other = {"ncnn": FILES / f"{name}.ncnn.bin", "mnn": mnn, "mnn_small_tiles": mnn, "openvino": onnx.with_suffix(".xml")}
    if engine in ("onnxruntime", "onnxruntime_rust", "tract", "candle", "burn"):
        return onnx
    return other.get(engine, weights(name))
