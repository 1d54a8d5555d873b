"""Times networks in cnnc and in other engines, interleaved, on this machine, and writes a table and a chart.

usage: python3 benches/peers.py [--train] [--networks a,b] [--engines x,y] [--batch N] [--threads N] [--rounds N] [--out FOLDER]

The first run makes a virtual environment in target/peers and installs the engines there (`pip` and a network are needed).
Every measurement is a process of its own; engines take turns, round by round, and the best median of a round counts for each.
All engines run float, on the same network with random weights.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "peers"
PACKAGES = ["torch", "torchvision", "onnx", "onnxruntime", "openvino", "ncnn", "pnnx", "MNN", "numpy"]
INFERENCE = ["cnnc", "onnxruntime", "openvino", "ncnn", "mnn", "torch", "torch_compile"]
TRAINING = ["cnnc", "torch", "torch_channels_last", "torch_compile"]
NETWORKS = ["lenet5", "resnet18", "resnet50", "vgg16", "googlenet", "alexnet"]
BATCHES = {"lenet5": 64, "resnet18": 16, "resnet50": 8, "vgg16": 4, "googlenet": 8, "alexnet": 32}
SECONDS = 4.0


def network(name):
    """The torch module and the shape of an image."""
    import torch
    import torchvision.models as tv
    from torch import nn

    torch.manual_seed(0)
    if name == "lenet5":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)), (1, 28, 28)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return getattr(tv, name)(weights=None, **options), (3, 224, 224)


def convert(engine, name, batch):
    """Writes the file that an engine reads, where it does not exist yet. In a process of its own: torch and ncnn each bring
    a thread pool under the same name, and a process that holds both crashes."""
    import torch

    net, shape = network(name)
    given = torch.zeros(batch, *shape)
    if engine == "ncnn":
        torch.jit.trace(net.eval(), given).save(str(HOME / f"{name}.pt"))
        command = [tool("pnnx"), f"{name}.pt", "inputshape=[" + ",".join(map(str, given.shape)) + "]", "fp16=0"]
        subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.DEVNULL)
        return
    onnx = HOME / f"{name}_{batch}.onnx"
    if not onnx.exists():
        torch.onnx.export(net.eval(), given, str(onnx), input_names=["x"], output_names=["y"], dynamo=False)
    if engine == "mnn":
        command = [tool("mnnconvert"), "-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(converted(engine, name, batch)), "--bizCode", "x"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def converted(engine, name, batch):
    """The file that an engine reads, or None for those that take the torch module."""
    files = {"ncnn": f"{name}.ncnn.bin", "mnn": f"{name}_{batch}.mnn", "onnxruntime": f"{name}_{batch}.onnx"}
    files["openvino"] = files["tract"] = files["candle"] = files["onnxruntime"]
    return HOME / files[engine] if engine in files else None


def tool(name):
    return str(HOME / "venv/bin" / name)


def inference(engine, name, batch, threads):
    """A function that runs one pass."""
    import numpy as np

    shape = (batch, 1, 28, 28) if name == "lenet5" else (batch, 3, 224, 224)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    file = str(converted(engine, name, batch))
    if engine == "onnxruntime":
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"x": x})
    if engine == "openvino":
        import openvino as ov

        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        request = ov.Core().compile_model(file, "CPU", hints).create_infer_request()
        return lambda: request.infer([x], share_inputs=True)
    if engine == "ncnn":
        import ncnn

        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
        net.load_param(file.replace(".bin", ".param"))
        net.load_model(file)

        def run():  # one image at a time: ncnn has no batches
            for image in x:
                extractor = net.create_extractor()
                extractor.input("in0", ncnn.Mat(image))
                extractor.extract("out0")

        return run
    if engine == "mnn":
        import MNN

        runtime = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": threads},))
        net = MNN.nn.load_module_from_file(file, ["x"], ["y"], runtime_manager=runtime, shape_mutable=False)
        given = MNN.expr.placeholder(list(shape), MNN.expr.NCHW)
        given.write(x.ravel().tolist())
        return lambda: net.forward([given])[0].read()
    import torch

    torch.set_num_threads(threads)
    net, _ = network(name)
    net = torch.compile(net.eval()) if engine == "torch_compile" else net.eval()
    given = torch.from_numpy(x)

    def run():
        with torch.inference_mode():
            return net(given)

    return run


def training(engine, name, batch, threads):
    """A function that does one step: forward, mean cross-entropy, backward, SGD with momentum."""
    import torch

    torch.set_num_threads(threads)
    net, shape = network(name)
    net.train()
    x, labels = torch.randn(batch, *shape), torch.arange(batch) % 10
    if engine == "torch_channels_last":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=True)
    run = torch.compile(net) if engine == "torch_compile" else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(run(x), labels).backward()
        optimizer.step()

    return step


def worker(engine, name, batch, threads, train):
    """Measures in this process and prints the median in milliseconds."""
    run = (training if train else inference)(engine, name, batch, threads)
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    print("median", sorted(times)[len(times) // 2])


def measure(engine, name, batch, threads, train):
    """The median in milliseconds, or None where the engine cannot do it."""
    if engine == "cnnc":
        command = ["cargo", "run", "--release", "--quiet", "--", "bench", name, "--json", "--batch", str(batch)]
        command += ["--threads", str(threads), "--seconds", str(SECONDS)] + (["--train"] if train else [])
        if name == "googlenet" and train:
            command += ["--set", "heads=0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return json.loads(done.stdout)["median_ms"] if done.returncode == 0 else None
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    python = [str(HOME / "venv/bin/python"), __file__]
    file = converted(engine, name, batch)
    if not train and file and not file.exists():
        subprocess.run([*python, "--convert", engine, name, "1" if engine == "ncnn" else str(batch)], stdout=subprocess.DEVNULL, check=True)
    command = [*python, "--worker", engine, name, str(batch), str(threads), str(int(train))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [l for l in done.stdout.splitlines() if l.startswith("median ")]
    return float(lines[-1].split()[1]) if lines else None


def install():
    python = HOME / "venv/bin/python"
    if not python.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *PACKAGES], check=True)
        # MNN brings a log service of its vendor, which holds protobuf below what onnx needs; no engine uses it at run time.
        subprocess.run([*pip, "--upgrade", "protobuf>=6.31"], check=True)


def table(results, engines):
    lines = ["| network | " + " | ".join(engines) + " | best other ÷ cnnc |", "|---" * (len(engines) + 2) + "|"]
    for name, times in results.items():
        others = [t for e, t in times.items() if e != "cnnc" and t]
        ratio = f"{min(others) / times['cnnc']:.2f}" if others and times.get("cnnc") else "–"
        shown = [f"{times[e]:.3g}" if times.get(e) else "–" for e in engines]
        lines.append(f"| {name} | " + " | ".join(shown) + f" | **{ratio}** |")
    return "\n".join(lines) + "\n"


def chart(results, engines, title):
    """Bars: how many times as long as cnnc each engine takes."""
    colors = ["#c2410c", "#0369a1", "#0d9488", "#7c3aed", "#a16207", "#475569", "#94a3b8"]
    bar, gap, left, scale = 11, 14, 110, 130
    body, y = [], 40
    for name, times in results.items():
        body.append(f'<text x="{left - 8}" y="{y + bar * len(engines) / 2 + 4}" text-anchor="end">{name}</text>')
        for engine, color in zip(engines, colors):
            if times.get(engine) and times.get("cnnc"):
                share = times[engine] / times["cnnc"]
                width = min(share, 5) * scale
                body.append(f'<rect x="{left}" y="{y}" width="{width:.0f}" height="{bar - 2}" fill="{color}"/>')
                body.append(f'<text x="{left + width + 5:.0f}" y="{y + bar - 3}" font-size="10">{engine} {times[engine]:.3g} ms</text>')
            y += bar
        y += gap
    style = 'font-family="sans-serif" font-size="13" fill="#1e293b"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + 5 * scale + 190}" height="{y + 10}" {style}>'
            f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="22" font-size="15">{title}</text>' + "".join(body) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engines")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=pathlib.Path, default=HOME / "results")
    options = parser.parse_args()
    engines = options.engines.split(",") if options.engines else (TRAINING if options.train else INFERENCE)
    install()
    results = {}
    for name in options.networks.split(","):
        batch = options.batch or (BATCHES.get(name, 8) if options.train else 1)
        times = {engine: [] for engine in engines}
        for _ in range(options.rounds):
            for engine in engines:
                times[engine].append(measure(engine, name, batch, options.threads, options.train))
                print(name, engine, times[engine][-1], flush=True)
        results[name] = {e: min((t for t in all_ if t), default=None) for e, all_ in times.items()}
    what = "training step" if options.train else "inference"
    options.out.mkdir(parents=True, exist_ok=True)
    stem = "training" if options.train else "inference"
    (options.out / f"{stem}.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / f"{stem}.md").write_text(table(results, engines))
    (options.out / f"{stem}.svg").write_text(chart(results, engines, f"{what}, milliseconds, {options.threads} threads: shorter is better"))
    print(table(results, engines))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        engine, name, batch, threads, train = sys.argv[2:]
        worker(engine, name, int(batch), int(threads), train == "1")
    elif len(sys.argv) > 1 and sys.argv[1] == "--convert":
        convert(*sys.argv[2:4], int(sys.argv[4]))
    else:
        main()
