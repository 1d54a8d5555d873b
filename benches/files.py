"""What is kept where."""
import os
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "peers"
FILES = HOME / "files"
VENV = pathlib.Path(os.environ.get("CNNC_BENCH_VENV") or HOME / "venv")


def tool(name):
    """A program of the virtual environment."""
    return str(VENV / "bin" / name)


def weights(name):
    return FILES / f"{name}.safetensors"


def given(name, batch):
    """Images and targets, under the names of the spec."""
    return FILES / f"{name}_{batch}.input.safetensors"


def expected(name, batch, train):
    """What PyTorch makes of them: the output, or the loss and, under its name, the gradient of the first weight."""
    return FILES / f"{name}_{batch}.{'training' if train else 'output'}.safetensors"


def model(engine, name, batch):
    """The file that an engine reads; those that are not named here read weights."""
    onnx = FILES / f"{name}_{batch}.onnx"
    other = {"ncnn": FILES / f"{name}.ncnn.bin", "mnn": onnx.with_suffix(".mnn")}
    if engine in ("onnxruntime", "openvino", "tract", "candle", "burn"):
        return onnx
    return other.get(engine, weights(name))


def first_number(path):
    """The first number of a safetensors file of one tensor of floats."""
    bytes = path.read_bytes()
    return struct.unpack_from("<f", bytes, 8 + int.from_bytes(bytes[:8], "little"))[0]
