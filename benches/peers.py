"""Times cnnc beside other engines: the same networks, the same weights, the same machine, interleaved in one run.

usage: python3 benches/peers.py [--train] [--networks a,b] [--engines x,y] [--rust-peers] [--threads 1,2] [--batch 1,8]
                                [--rounds N] [--seconds S] [--prepare] [--python PATH] [--out FOLDER]

The first run installs the peers, unless it runs inside a virtual environment that has them or is told of one. Every measurement is
a process of its own; engines take turns, round by round. An engine whose output is not PyTorch's is not timed. Results are
merged into FOLDER/results.json; tables and charts are made of all that is there. See benches/README.md.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import files
import programs
import report

INFERENCE = ["cnnc", "onnxruntime", "openvino", "ncnn", "mnn", "mnn_small_tiles", "torch", "torch_compile"]
RUST = ["onnxruntime_rust", "tract", "candle", "burn"]
TRAINING = ["cnnc", "torch", "torch_channels_last", "torch_compile"]
TRAINED = {"resnet50": 8, "resnet18": 16, "vgg16": 4, "googlenet": 8, "lenet5": 64, "resnet20": 128}
"""Networks that are trained, and the images of a step unless `--batch` says otherwise."""
LONGEST = 600
"""Seconds after which a measurement is given up."""


class Failed(Exception):
    """An engine cannot do it; the message is the end of what it said."""


def measure(command, environment):
    """Lets a process measure itself: what it says, and how long after its start its first output was there."""
    with tempfile.TemporaryFile() as complaints:
        start = time.perf_counter()
        with subprocess.Popen([str(c) for c in command], env=environment, stdout=subprocess.PIPE, stderr=complaints, text=True) as process:
            clock = threading.Timer(LONGEST, process.kill)
            clock.start()
            first, last = {}, ""
            for line in process.stdout:
                if line == "first\n":
                    first = {"first_ms": 1e3 * (time.perf_counter() - start)}
                last = line
            clock.cancel()
        if process.returncode != 0:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()[-600:]
            raise Failed(f"ended with status {process.returncode}: {said}")
    return json.loads(last) | first


class Case:
    """What is measured: a network, how many images at once, on how many threads."""

    def __init__(self, tools, name, batch, threads, train):
        self.tools, self.name, self.batch, self.threads, self.train = tools, name, batch, threads, train
        self.mode = "training" if train else "inference"

    def script(self, name, *arguments):
        return [self.tools["python"], pathlib.Path(__file__).with_name(name), *arguments]

    def environment(self):
        return programs.environment(self.threads, CNNC=self.tools["cnnc"], ORT_DYLIB_PATH=self.tools.get("onnxruntime", ""))

    def prepare(self, engines):
        """Writes what engines read, and returns those for which that could be done."""
        command = self.script("convert.py", self.name, self.batch, self.mode, *engines)
        done = subprocess.run([str(c) for c in command], env=self.environment(), capture_output=True, text=True)
        able = (done.stdout.splitlines() or [""])[-1].split()
        if done.returncode != 0 or len(able) < len(engines):
            print(f"{self.name} cannot be converted for all: {done.stderr.strip()[-4000:]}", file=sys.stderr, flush=True)
        return able if done.returncode == 0 else []

    def command(self, engine, seconds):
        data = [files.given(self.name, self.batch), files.expected(self.name, self.batch, train=False), self.threads, seconds]
        if engine in RUST:
            return [self.tools["rust_peers"], engine, files.model(engine, self.name, self.batch), *data]
        if engine == "cnnc" and not self.train:
            return [files.program(self.name), files.weights(self.name), *data]
        return self.script("engines.py", engine, self.name, self.batch, self.threads, seconds, self.mode)

    def rounds(self, engines, count, seconds):
        """A row for each engine."""
        lines = {engine: [] for engine in self.prepare(engines)}
        rows = {engine: {} for engine in engines}
        for _ in range(count):
            for engine in list(lines):
                try:
                    line = measure(self.command(engine, seconds), self.environment())
                except Failed as problem:
                    print(f"{self.name} {engine}: {problem}", file=sys.stderr, flush=True)
                    del lines[engine]
                    continue
                print(self.name, self.batch, self.threads, engine, json.dumps(line), flush=True)
                lines[engine].append(line)
                if "median_ms" not in line:  # It is off: once is enough.
                    rows[engine] = lines.pop(engine)[0]
        rows |= {engine: together(of_rounds) for engine, of_rounds in lines.items()}
        key = {"mode": self.mode, "network": self.name, "batch": self.batch, "threads": self.threads}
        return [key | {"engine": engine} | row for engine, row in rows.items()]


def together(lines):
    """One row of what the processes of all rounds said."""
    medians = [line["median_ms"] for line in lines]
    row = {"off": max(line["off"] for line in lines), "median_ms": statistics.median(medians), "min_ms": min(line["min_ms"] for line in lines)}
    row |= {"medians": medians, "passes": sum(line["passes"] for line in lines)}
    for key, fold in (("off_gradient", max), ("peak_rss_mib", max), ("first_ms", min)):
        values = [line[key] for line in lines if line.get(key) is not None]
        if values:
            row[key] = fold(values)
    return row


def arguments():
    def some(text):
        return text.split(",")

    def numbers(text):
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="steps of training instead of inference")
    parser.add_argument("--networks", type=some, help="some of " + ",".join(report.NETWORKS))
    parser.add_argument("--engines", type=some, help="some of " + ",".join(INFERENCE + RUST) + "; torch_channels_last with --train")
    parser.add_argument("--rust-peers", action="store_true", help="also " + ",".join(RUST) + ", which are built")
    parser.add_argument("--threads", type=numbers, default=[2])
    parser.add_argument("--batch", type=numbers, help="images at once; 1, or with --train what each network is usually given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each engine is timed in a round")
    parser.add_argument("--prepare", action="store_true", help="install, build, convert and compare, but record nothing")
    parser.add_argument("--python", type=pathlib.Path, help="the interpreter of an environment that has the peers")
    parser.add_argument("--out", type=pathlib.Path, default=files.ROOT / "benches" / "results")
    options = parser.parse_args()
    known = {"--networks": TRAINED if options.train else report.NETWORKS, "--engines": TRAINING if options.train else INFERENCE + RUST}
    for option, names in known.items():
        for name in getattr(options, option[2:]) or ():
            if name not in names:
                parser.error(f"{option}: there is no `{name}` among {', '.join(names)}")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    options.networks = options.networks or list(known["--networks"])
    options.engines = options.engines or (TRAINING if options.train else INFERENCE + (RUST if options.rust_peers else []))
    return options


def main():
    options = arguments()
    tools = {"python": programs.python(options.python), "cnnc": programs.cargo(files.ROOT)}
    if set(options.engines) & set(RUST):
        tools |= {"rust_peers": programs.rust_peers(), "onnxruntime": programs.onnxruntime_library(tools["python"])}
    results = report.Results(options.out, programs.versions(tools["python"]))
    for name in options.networks:
        for batch in options.batch or [TRAINED[name] if options.train else 1]:
            for threads in options.threads:
                case = Case(tools, name, batch, threads, options.train)
                if options.prepare:
                    case.rounds(options.engines, 1, 0.0)
                    continue
                results.replace(case.rounds(options.engines, options.rounds, options.seconds))
                results.write()
    if not options.prepare:
        print(results.text())


if __name__ == "__main__":
    main()
