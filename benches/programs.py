"""Where the programs that are measured come from, and of which versions they are."""
import json
import os
import pathlib
import re
import subprocess
import sys

import files

PACKAGES = [
    "torch==2.15.0", "torchvision==0.29.2", "onnx==1.23.2", "onnxruntime==1.32.0", "openvino==2026.4.1",
    "ncnn==1.0.20261020", "pnnx==20261020", "safetensors==0.8.0", "numpy==2.4.6",
]
# MNN asks for the log service of its vendor, which holds protobuf below what onnx needs and is not needed here.
ALONE = ["MNN==3.6.1"]
SHOWN = ["torch", "onnxruntime", "openvino", "ncnn", "mnn"]
LOCKED = {"tract": "tract-onnx", "candle": "candle-core", "burn": "burn"}
"""Peers in Rust, by the package whose version is told."""
RUST_PEERS = files.ROOT / "benches" / "rust_peers"


def run(*command, **options):
    """Runs a command and returns what it prints."""
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def python(chosen):
    """The interpreter that has the peers: the one that is named, that of the virtual environment we are in, or one of our own."""
    if chosen or sys.prefix != sys.base_prefix:
        return str(chosen or sys.executable)
    folder, wanted = files.HOME / "venv", "\n".join(PACKAGES + ALONE)
    done, interpreter = folder / "installed", str(folder / "bin" / "python")
    if not done.exists() or done.read_text() != wanted:
        print(f"installing peers into {folder} ...", flush=True)
        run(sys.executable, "-m", "venv", folder)
        run(interpreter, "-m", "pip", "install", "--quiet", *PACKAGES)
        run(interpreter, "-m", "pip", "install", "--quiet", "--no-deps", *ALONE)
        done.write_text(wanted)
    return interpreter


def cargo(folder, target=None):
    """Builds the program of a package and returns its path."""
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics", *(["--target-dir", target] if target else [])]
    messages = map(json.loads, run(*command, cwd=folder).splitlines())
    return [m["executable"] for m in messages if m.get("executable")][-1]


def rust_peers():
    return cargo(RUST_PEERS, files.CARGO_TARGET)


def onnxruntime_library(python):
    """What the package for Python calls; the peer in Rust calls the same."""
    where = run(python, "-c", "import importlib.util as u; print(u.find_spec('onnxruntime').submodule_search_locations[0])")
    return str(next((pathlib.Path(where.strip()) / "capi").glob("libonnxruntime.*")))


def versions(python):
    """Of everything: our commit, the compiler of Rust, and what pip and cargo have installed."""
    ask = (
        "import importlib.metadata as m, json, sys; have = {d.name.lower(): d.version for d in m.distributions()};"
        "print(json.dumps({n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    lock = (RUST_PEERS / "Cargo.lock").read_text()
    locked = {name: re.search(f'name = "{package}"\nversion = "(.*)"', lock)[1] for name, package in LOCKED.items()}
    commit = run("git", "-C", files.ROOT, "describe", "--always", "--dirty").strip()
    rust = {"rustc": run("rustc", "--version").split()[1]}
    return {"cnnc": commit} | rust | json.loads(run(python, "-c", ask, *SHOWN)) | locked


def environment(threads, **paths):
    """What processes that are measured are told besides their arguments."""
    pools = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), str(threads))
    return os.environ | pools | {"TORCHINDUCTOR_CACHE_DIR": str(files.HOME / "inductor")} | paths
