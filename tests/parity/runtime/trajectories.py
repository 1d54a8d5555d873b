"""Writes trajectories.safetensors (gradients and weights of optimizers, step by step) and schedules.json (learning rates).

    pip install torch safetensors && python tests/parity/runtime/trajectories.py

The cases are those of `runtime/src/optimizer/tests.rs` and `runtime/src/schedule/tests.rs`. LARS is not part of PyTorch: here it
scales the gradients of layers and hands them to SGD.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

here = pathlib.Path(__file__).parent
STEPS = 8
START = torch.linspace(-1.5, 1.5, 12).reshape(3, 4), torch.tensor([0.5, -0.25, 0.1])
CURVATURE = torch.linspace(0.3, 2.0, 12).reshape(3, 4), torch.tensor([1.0, 0.5, 2.0])
MIDDLE = torch.linspace(1.0, -0.5, 12).reshape(3, 4), torch.tensor([0.2, 0.3, -0.4])


def loss_of(params):
    """Neither quadratic nor convex, and it couples the weights."""
    parts = [(a * (p - c) ** 2 / 2).sum() + 0.3 * torch.sin(2 * p).sum() for a, p, c in zip(CURVATURE, params, MIDDLE)]
    return sum(parts) + 0.05 * (params[0].sum() - params[1].sum()) ** 2


class Lars(torch.optim.SGD):
    def __init__(self, params, lr, momentum, trust, weight_decay):
        super().__init__(params, lr=lr, momentum=momentum)
        self.trust = trust
        self.decays = [group["weight_decay"] or weight_decay for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = 0.0

    def step(self):
        for group, decay in zip(self.param_groups, self.decays):
            for p in group["params"]:
                w, g = p.detach().norm(), p.grad.norm()
                p.grad.add_(p.detach(), alpha=decay)
                if p.dim() >= 2 and w > 0 and g > 0:
                    p.grad.mul_(self.trust * w / (g + decay * w))
        super().step()


def run(make, clip=None, groups=None, rates=None, schedule=None, dtype=torch.float32):
    params = [torch.nn.Parameter(p.to(dtype, copy=True)) for p in START]
    optimizer = make([{"params": [p], **group} for p, group in zip(params, groups)] if groups else params)
    base = [group["lr"] for group in optimizer.param_groups]
    course = schedule(optimizer) if schedule else None
    gradients, weights = [], []

    def closure():
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    flat = lambda tensors: torch.cat([t.detach().flatten() for t in tensors]).clone()
    for step in range(STEPS):
        for group, lr in [] if course else zip(optimizer.param_groups, base):
            group["lr"] = lr * (rates[step] if rates else 1.0)
        closure()
        gradients.append(flat(p.grad for p in params))
        if clip:
            clip(params)
        if isinstance(optimizer, torch.optim.LBFGS):
            optimizer.step(closure)
        else:
            optimizer.step()
        if course:
            course.step()
        weights.append(flat(params))
    return torch.stack(gradients).float(), torch.stack(weights).float()


def cases():
    optim, utils = torch.optim, torch.nn.utils
    rates = [0.1, 0.2, 0.5, 1.0, 1.0, 0.5, 0.25, 0.1]
    no_decay_of_biases = [{}, {"weight_decay": 0.0}]
    yield "sgd", run(lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01))
    yield "sgd_momentum", run(lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01), rates=rates)
    yield "sgd_dampening", run(lambda p: optim.SGD(p, lr=0.1, momentum=0.8, dampening=0.3))
    yield "sgd_nesterov", run(lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4))
    yield "sgd_groups", run(lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1), groups=no_decay_of_biases)
    yield "rmsprop", run(lambda p: optim.RMSprop(p, lr=0.02, weight_decay=0.01), rates=rates)
    yield "rmsprop_momentum", run(lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.8))
    yield "rmsprop_centered", run(lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9, centered=True, eps=1e-3))
    yield "adagrad", run(lambda p: optim.Adagrad(p, lr=0.1))
    yield "adagrad_decay", run(
        lambda p: optim.Adagrad(p, lr=0.2, lr_decay=0.1, initial_accumulator_value=0.5, weight_decay=0.01)
    )
    yield "adam", run(lambda p: optim.Adam(p, lr=0.05), rates=rates)
    yield "adam_decay", run(lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.02))
    yield "adamw", run(lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1), rates=rates)
    yield "adamw_groups", run(lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.5), groups=no_decay_of_biases)
    # Groups with a learning rate and a weight decay of their own: a quarter and half, twice and three times.
    own = lambda lr, decay: {
        "groups": [{"lr": 0.25 * lr, "weight_decay": 0.5 * decay}, {"lr": 2 * lr, "weight_decay": 3 * decay}],
        "rates": rates,
    }
    yield "sgd_named", run(lambda p: optim.SGD(p, lr=1.0), **own(0.05, 0.1))
    yield "sgd_momentum_named", run(lambda p: optim.SGD(p, lr=1.0, momentum=0.9), **own(0.05, 0.1))
    yield "adamw_named", run(lambda p: optim.AdamW(p), **own(0.05, 0.2))
    yield "rmsprop_named", run(lambda p: optim.RMSprop(p), **own(0.01, 0.1))
    yield "rmsprop_centered_named", run(lambda p: optim.RMSprop(p, momentum=0.5, centered=True), **own(0.01, 0.1))
    yield "adagrad_named", run(lambda p: optim.Adagrad(p), **own(0.1, 0.1))
    lars = lambda p: Lars(p, lr=1.0, momentum=0.9, trust=0.05, weight_decay=0.0)
    yield "lars_named", run(lars, **own(1.0, 0.01))
    yield "lars", run(lambda p: Lars(p, lr=1.0, momentum=0.9, trust=0.05, weight_decay=0.01))
    yield "lbfgs", run(lambda p: optim.LBFGS(p, lr=0.5, max_iter=1, max_eval=1, history_size=3))
    cycle = lambda o: optim.lr_scheduler.OneCycleLR(o, o.defaults["lr"], total_steps=STEPS, pct_start=0.4)
    yield "sgd_one_cycle", run(lambda p: optim.SGD(p, lr=0.05, momentum=0.9), schedule=cycle)
    yield "adamw_one_cycle", run(lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1), schedule=cycle)
    wolfe = {"max_iter": 1, "max_eval": 26, "history_size": 3, "line_search_fn": "strong_wolfe"}
    # In double precision: the search interpolates between losses that differ by little.
    yield "lbfgs_wolfe", run(lambda p: optim.LBFGS(p, lr=1.0, **wolfe), dtype=torch.float64)
    # First steps that are too long and too short, so that both phases have to work.
    yield "lbfgs_wolfe_far", run(lambda p: optim.LBFGS(p, lr=40.0, **wolfe), dtype=torch.float64)
    yield "lbfgs_wolfe_near", run(lambda p: optim.LBFGS(p, lr=0.15, **wolfe), dtype=torch.float64)
    yield "clip_value", run(lambda p: optim.SGD(p, lr=0.1), clip=lambda p: utils.clip_grad_value_(p, 0.5))
    yield "clip_norm", run(lambda p: optim.SGD(p, lr=0.1, momentum=0.9), clip=lambda p: utils.clip_grad_norm_(p, 1.0))


def average(weights, statistics):
    """The moving averages of the weights of a trajectory, and of buffers that are those of another one."""
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(weights[0].clone())
    module.register_buffer("b", statistics[0].clone())
    model = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    averages = []
    for row, buffer in zip(weights, statistics):
        module.w.data.copy_(row)
        module.b.copy_(buffer)
        model.update_parameters(module)
        averages.append((model.module.w.detach().clone(), model.module.b.clone()))
    return [torch.stack(part) for part in zip(*averages)]


def accumulated():
    """A classifier of 36 pixels that learns from batches of 5 and of 3 images, whose gradients make one step."""
    images = torch.sin(0.37 * torch.arange(STEPS * 8 * 36)).reshape(STEPS, 8, 36)
    labels = (torch.arange(STEPS * 8) * 7 % 11 % 4).reshape(STEPS, 8)
    weight = torch.nn.Parameter(0.2 * torch.cos(0.7 * torch.arange(4 * 36)).reshape(4, 36))
    bias = torch.nn.Parameter(0.1 * torch.arange(4).float())
    optimizer = torch.optim.Adam([weight, bias], lr=0.05)
    rows = lambda: torch.cat([weight.detach().flatten(), bias.detach()]).clone()
    trajectory = [rows()]
    for x, y in zip(images, labels):
        optimizer.zero_grad()
        for part in (slice(0, 5), slice(5, 8)):
            # The mean over the images of a batch, with the share of all images that it has.
            scores = torch.nn.functional.linear(x[part] - 0.25, weight, bias)
            loss = torch.nn.functional.cross_entropy(scores, y[part])
            (loss * len(y[part]) / 8).backward()
        optimizer.step()
        trajectory.append(rows())
    return {"accumulated.images": images, "accumulated.weights": torch.stack(trajectory)}


def schedules():
    """Factors of the learning rate in 4 epochs of 5 steps."""
    lrs = torch.optim.lr_scheduler
    steps, epochs = 5, 4

    def course(make, by_epoch=False, what="lr"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
        schedule, rates = make(optimizer), []
        for step in range(steps * epochs):
            rates.append(optimizer.param_groups[0][what])
            optimizer.step()
            if not by_epoch or (step + 1) % steps == 0:
                schedule.step()
        return rates

    def one_cycle(optimizer):
        momenta = {"base_momentum": 0.8, "max_momentum": 0.97}
        ends = {"div_factor": 10, "final_div_factor": 100}
        return lrs.OneCycleLR(optimizer, 1.0, total_steps=steps * epochs, pct_start=0.3, **ends, **momenta)

    losses = [1.0, 0.9, 0.9, 0.95, 0.89999, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.6, 0.61, 0.62, 0.63]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    plateau = lrs.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=1e-3, cooldown=1, min_lr=0.1)
    on_plateau = []
    for loss in losses:
        plateau.step(loss)
        on_plateau.append(optimizer.param_groups[0]["lr"])
    return {
        "step": course(lambda o: lrs.StepLR(o, 2, gamma=0.3), by_epoch=True),
        "multi_step": course(lambda o: lrs.MultiStepLR(o, [1, 3], gamma=0.3), by_epoch=True),
        "exponential": course(lambda o: lrs.ExponentialLR(o, 0.7), by_epoch=True),
        "cosine": course(lambda o: lrs.CosineAnnealingLR(o, steps * epochs, eta_min=0.1)),
        "polynomial": course(lambda o: lrs.PolynomialLR(o, steps * epochs, power=2.0)),
        "one_cycle": course(one_cycle),
        "one_cycle_momentum": course(one_cycle, what="momentum"),
        "warmup": course(lambda o: lrs.LinearLR(o, start_factor=1 / 7, total_iters=6)),
        "losses": losses,
        "on_plateau": on_plateau,
    }


def main():
    tensors = {}
    for name, (gradients, weights) in cases():
        tensors[f"{name}.gradients"], tensors[f"{name}.weights"] = gradients, weights
    rows = tensors["sgd_momentum.weights"], tensors["sgd_nesterov.weights"]
    tensors["average"], tensors["average_buffer"] = average(*rows)
    tensors.update(accumulated())
    save_file(tensors, here / "trajectories.safetensors")
    (here / "schedules.json").write_text(json.dumps(schedules(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
