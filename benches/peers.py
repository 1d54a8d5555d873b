"""Times cnnc beside other engines: the same networks, the same weights, the same machine, interleaved in one run.

usage: python3 benches/peers.py [--train | --cold] [--networks a,b] [--engines x,y] [--threads N] [--batch N] [--rounds N]
                                [--seconds S] [--prepare | --rss] [--out FOLDER]

The first run installs the peers: those in Python into a virtual environment (target/peers/venv, or the folder that
CNNC_BENCH_VENV names), those in Rust by building benches/rust_peers. Every measurement is a process of its own; engines take
turns, round by round, and the best median of a round counts. An engine whose output is not PyTorch's is not timed. Results are
merged into FOLDER/results.json; tables and charts are made of all that is there.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import files
import report

PACKAGES = ["torch", "torchvision", "onnx", "onnxruntime", "openvino", "ncnn", "pnnx", "safetensors", "numpy"]
# MNN asks for the log service of its vendor, which holds protobuf below what onnx needs and is not needed here.
ALONE = ["MNN"]
RUST = ["onnxruntime", "tract", "candle", "burn"]
ENGINES = {
    "inference": ["cnnc", "onnxruntime", "openvino", "ncnn", "mnn", "tract", "candle", "burn", "torch", "torch_compile"],
    "training": ["cnnc", "torch", "torch_channels_last", "torch_compile"],
    "cold": ["cnnc", "onnxruntime", "onnxruntime_python"],
}
NETWORKS = ["lenet5", "resnet20", "alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "tiny_yolo_v2", "yolo_v2"]
TRAINED = {"lenet5": 64, "resnet20": 128, "resnet18": 16, "resnet50": 8, "vgg16": 4, "googlenet": 8}
"""Images of a training step of the networks that are trained unless others are named."""
STARTS = 10
"""Cold starts of a round."""
LONGEST = 600
"""Seconds after which a measurement is given up."""


def run(*command, **options):
    """Runs a command and returns what it prints."""
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def install():
    python = files.tool("python")
    if not pathlib.Path(python).exists():
        print(f"installing into {files.VENV} ...", flush=True)
        run(sys.executable, "-m", "venv", files.VENV)
        run(python, "-m", "pip", "install", "--quiet", *PACKAGES)
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", *ALONE)


def build(folder, target=None):
    """Builds the program of a cargo package and returns its path."""
    command = ["cargo", "build", "--release", "--quiet", "--message-format=json"]
    environment = os.environ | ({"CARGO_TARGET_DIR": str(target)} if target else {})
    messages = map(json.loads, run(*command, cwd=folder, env=environment).splitlines())
    return [m["executable"] for m in messages if m.get("executable")][-1]


def build_cold(cnnc):
    """Builds the network of the cold start: nothing but inference, and a few lines of `main`."""
    folder = files.HOME / "cold" / "resnet18"
    run(cnnc, "build", "resnet18", "--infer-only", "--out", folder, "--force")
    (folder / "src" / "main.rs").write_text((files.ROOT / "benches" / "cold" / "main.rs").read_text())
    return build(folder, files.HOME / "cold" / "target")


def versions():
    """Of the peers: what pip and cargo have installed."""
    python = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found = json.loads(run(files.tool("python"), "-c", python, "torch", "onnxruntime", "openvino", "ncnn", "mnn"))
    lock = (files.ROOT / "benches" / "rust_peers" / "Cargo.lock").read_text()
    packages = {"tract": "tract-onnx", "candle": "candle-core", "burn": "burn"}
    return found | {name: re.search(f'name = "{package}"\nversion = "(.*)"', lock)[1] for name, package in packages.items()}


class Case:
    """What is measured: a network, how many images at once, on how many threads."""

    def __init__(self, options, programs, name):
        self.programs, self.name, self.threads, self.mode = programs, name, options.threads, options.mode
        self.batch = options.batch or (TRAINED.get(name, 8) if options.mode == "training" else 1)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), str(self.threads))
        self.environment = os.environ | threads | {"CNNC": programs["cnnc"], "ORT_DYLIB_PATH": programs["onnxruntime"]}

    def convert(self, engines):
        kind = "training" if self.mode == "training" else "inference"
        script = pathlib.Path(__file__).with_name("convert.py")
        run(files.tool("python"), script, self.name, self.batch, kind, *engines, stderr=subprocess.DEVNULL)

    def command(self, engine, seconds):
        if engine in RUST and self.mode != "training":
            paths = [files.model(engine, self.name, self.batch), files.given(self.name, self.batch)]
            return [self.programs["rust_peers"], engine, *paths, files.expected(self.name, self.batch, False), self.threads, seconds]
        if self.mode == "cold" and engine == "cnnc":
            return [self.programs["cold"], files.weights(self.name), files.given(self.name, self.batch), self.threads]
        script = pathlib.Path(__file__).with_name("engines.py")
        return [files.tool("python"), script, engine, self.name, self.batch, self.threads, seconds, self.mode]

    def measure(self, engine, seconds):
        """What a process of its own says: times, memory, and how far the output is off; nothing where the engine fails."""
        try:
            said = run(*self.command(engine, seconds), env=self.environment, timeout=LONGEST, stderr=subprocess.PIPE)
            return json.loads(said.splitlines()[-1])
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, IndexError) as problem:
            print(f"{self.name} {engine}: {(getattr(problem, 'stderr', None) or str(problem)).strip()[-600:]}", file=sys.stderr)
            return {}

    def start(self, engine):
        """The time from the start of a process to its first output."""
        times = []
        for _ in range(STARTS):
            begin = time.perf_counter()
            with subprocess.Popen([str(c) for c in self.command(engine, "first")], env=self.environment, stdout=subprocess.PIPE) as process:
                first = process.stdout.readline()
                times.append(1e3 * (time.perf_counter() - begin))
        expected = files.first_number(files.expected(self.name, self.batch, False))
        off = abs(float(first) - expected) / abs(expected)
        return {"off": off} | ({"median_ms": statistics.median(times), "min_ms": min(times), "passes": STARTS} if off < 1e-3 else {})

    def key(self, engine):
        return {"mode": self.mode, "network": self.name, "batch": self.batch, "threads": self.threads, "engine": engine}


def rounds(case, engines, options):
    """The best round of each engine."""
    best = {}
    for _ in range(options.rounds):
        for engine in engines:
            if engine in best and "median_ms" not in best[engine]:
                continue  # It cannot, or it is off: once is enough.
            line = case.start(engine) if options.mode == "cold" else case.measure(engine, options.seconds)
            print(case.name, engine, json.dumps(line), flush=True)
            medians = best.get(engine, {}).get("medians", []) + [line.get("median_ms")]
            if engine not in best or line.get("median_ms", float("inf")) < best[engine]["median_ms"]:
                best[engine] = line
            best[engine]["medians"] = medians
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--train", dest="mode", action="store_const", const="training", default="inference", help="steps of training")
    mode.add_argument("--cold", dest="mode", action="store_const", const="cold", help="from the start of a process to its first output")
    parser.add_argument("--networks", help="some of " + ",".join(NETWORKS))
    parser.add_argument("--engines", help="some of " + ",".join(ENGINES["inference"]) + "; torch_channels_last with --train")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="images at once; 1, or with --train what each network is usually given")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each engine is timed in a round")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--prepare", action="store_true", help="install, build, convert and compare, but record nothing")
    what.add_argument("--rss", action="store_true", help="record peak memory alone, without the time")
    parser.add_argument("--out", type=pathlib.Path, default=files.HOME / "results")
    options = parser.parse_args()
    engines = options.engines.split(",") if options.engines else ENGINES[options.mode]
    networks = {"cold": ["resnet18"], "training": list(TRAINED), "inference": NETWORKS}[options.mode]
    if options.prepare or options.rss:
        options.seconds, options.rounds = 0.0, 1
    install()
    programs = {"cnnc": build(files.ROOT), "rust_peers": build(files.ROOT / "benches" / "rust_peers")}
    programs["onnxruntime"] = str(next(files.VENV.glob("lib/python*/site-packages/onnxruntime/capi/libonnxruntime.so.*")))
    if options.mode == "cold":
        programs["cold"] = build_cold(programs["cnnc"])
    results = report.Results(options.out)
    for name in options.networks.split(",") if options.networks else networks:
        case = Case(options, programs, name)
        case.convert(engines)
        for engine, line in rounds(case, engines, options).items():
            if options.rss:
                line = {"peak_rss_mib": line.get("peak_rss_mib")}
            if not options.prepare:
                results.merge(case.key(engine), line)
        if not options.prepare:
            results.write(versions())
    print(results.tables())


if __name__ == "__main__":
    main()
