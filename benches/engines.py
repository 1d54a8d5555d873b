"""Times one engine on one network, if what it computes is what PyTorch computes.

usage: engines.py ENGINE NAME BATCH THREADS SECONDS inference|training

A process for each engine. Of inference it says `first` when the first output is there, which is what a cold start is measured
by; then it prints one JSON line.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from safetensors.numpy import load_file

import files

WARM, PASSES = 3, 3
TOLERANCE = 1e-3
"""What an output or a loss may be off, as a share of the largest."""
GRADIENT_TOLERANCE = 5e-2
"""The same for the norm of a gradient's error: at the kinks of activations and pools, rounding decides which slope is right."""


def onnxruntime(name, batch, threads, image):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(files.model("onnxruntime", name, batch), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})[0]


def openvino(name, batch, threads, image):
    import openvino as ov

    # Float, as everyone; one stream on all threads, which is what a single batch is fastest on.
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(files.model("openvino", name, batch), "CPU", hints).create_infer_request()
    return lambda: request.infer([image], share_inputs=True, share_outputs=True)[0]


def ncnn(name, batch, threads, image):
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    weights = files.model("ncnn", name, batch)
    net.load_param(str(weights.with_suffix(".param")))
    net.load_model(str(weights))

    def one(plane):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(plane))
        return np.array(extractor.extract("out0")[1])

    return lambda: np.stack([one(plane) for plane in image])  # It has no batches.


def mnn(name, batch, threads, image, small_tiles=False):
    import MNN

    runtime = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": threads},))
    if small_tiles:
        runtime.set_hint(3, 2)  # WINOGRAD_MEMORY_LEVEL
    path = str(files.model("mnn", name, batch))
    net = MNN.nn.load_module_from_file(path, ["image"], ["output"], runtime_manager=runtime, shape_mutable=False)
    given = MNN.expr.placeholder(list(image.shape), MNN.expr.NCHW)
    given.write(image.ravel().tolist())
    return lambda: net.forward([given])[0].read()


def mnn_small_tiles(*arguments):
    """Without its largest Winograd tiles, with which some outputs are off by more than is allowed."""
    return mnn(*arguments, small_tiles=True)


def torch(name, batch, threads, image, compiled=False):
    import torch

    from networks import module

    torch.set_num_threads(threads)
    net, given = module(name, files.weights(name)), torch.from_numpy(image)
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True  # Weights are constants, laid out once.
        net = torch.compile(net)

    def run():
        with torch.no_grad() if compiled else torch.inference_mode():
            return net(given).numpy()

    return run


def torch_compile(*arguments):
    return torch(*arguments, compiled=True)


ENGINES = {f.__name__: f for f in (onnxruntime, openvino, ncnn, mnn, mnn_small_tiles, torch, torch_compile)}


def inference(engine, name, batch, threads, seconds):
    image = load_file(files.given(name, batch))["image"]
    run = ENGINES[engine](name, batch, threads, image)
    output = run()
    print("first", flush=True)
    off = distance(output, next(iter(load_file(files.expected(name, batch, train=False)).values())))
    return {"off": off} | (timed(run, seconds) if off <= TOLERANCE else {})


def training(engine, name, batch, threads, seconds):
    """Steps of PyTorch: forward, mean loss, backward, SGD with momentum."""
    import torch

    from networks import loss, module

    torch.set_num_threads(threads)
    net = module(name, files.weights(name), train=True)
    given = {key: torch.from_numpy(value) for key, value in load_file(files.lesson(name, batch)).items()}
    image, target = given["image"], given["label"].long()
    if "channels_last" in engine:
        net, image = net.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, fused=True)
    run = torch.compile(net) if "compile" in engine else net

    def backward():
        optimizer.zero_grad(set_to_none=True)
        value = loss(run(image), target)
        value.backward()
        return value

    def step():
        backward()
        optimizer.step()

    dropouts = [(layer, layer.p) for layer in net.modules() if isinstance(layer, torch.nn.Dropout)]
    for layer, _ in dropouts:
        layer.p = 0.0
    value = backward().item()
    offs = distances(name, batch, value, lambda key: net.get_parameter(key).grad.contiguous().numpy())
    for layer, p in dropouts:
        layer.p = p
    return offs | (timed(step, seconds) if agree(offs) else {})


def cnnc(name, batch, threads, seconds):
    """Steps of our own command: `run` to compare, `bench` to time. Inference is a program by itself, cnnc/measure.rs."""
    from networks import NETWORKS

    settings = [word for setting in NETWORKS[name].settings for word in ("--set", setting)]
    common = [name, "--weights", files.weights(name), "--threads", str(threads), *settings]
    command = os.environ["CNNC"]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/gradients.safetensors"
        run = [command, "run", *common, "--input", files.lesson(name, batch), "--gradients", path, "--output", f"{folder}/output.safetensors"]
        subprocess.run(run, check=True)
        gradients = load_file(path)
    offs = distances(name, batch, gradients["loss"].item(), gradients.get)
    if not agree(offs):
        return offs
    bench = [command, "bench", *common, "--train", "--json", "--batch", str(batch), "--seconds", str(max(seconds, 1e-3))]
    report = json.loads(subprocess.run(bench, check=True, capture_output=True, text=True).stdout)
    memory = report["peak_rss_bytes"]
    return offs | {key: report[key] for key in ("median_ms", "min_ms", "passes")} | {"peak_rss_mib": memory and memory >> 20}


def distance(got, expected):
    """The largest difference, as a share of the largest number expected."""
    if got.size != expected.size or not np.isfinite(got).all():
        return sys.float_info.max
    return float(np.abs(got.ravel() - expected.ravel()).max() / np.abs(expected).max())


def distances(name, batch, loss, gradient):
    """How far a loss is off, and the gradient of the first weight, which all of the backward pass is behind."""
    expected = load_file(files.expected(name, batch, train=True))
    offs = {"off": distance(np.array([loss]), expected.pop("loss"))}
    for key, value in expected.items():
        offs["off_gradient"] = float(np.linalg.norm(gradient(key).ravel() - value.ravel()) / np.linalg.norm(value))
    return offs


def agree(offs):
    return offs["off"] <= TOLERANCE and offs.get("off_gradient", 0.0) <= GRADIENT_TOLERANCE


def timed(run, seconds):
    for _ in range(WARM - 1):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < PASSES or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"median_ms": times[len(times) // 2], "min_ms": times[0], "passes": len(times), "peak_rss_mib": peak_rss_mib()}


def peak_rss_mib():
    """The most memory that was resident at once, where the system tells."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
    except OSError:
        return None


def main():
    engine, name, batch, threads, seconds, mode = sys.argv[1:]
    arguments = (name, int(batch), int(threads), float(seconds))
    if mode == "inference":
        line = inference(engine, *arguments)
    else:
        line = cnnc(*arguments) if engine == "cnnc" else training(engine, *arguments)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
