"""How inputs and targets are drawn: functions of how many."""
import torch


def classes(n):
    return lambda count: torch.randint(n, (count,))


def labels(n, shape, ignore):
    """Maps of classes, a third of them `ignore`; the last image has nothing else."""
    def draw(count):
        map = torch.randint(n, (count, *shape)).where(torch.rand(count, *shape) > 0.3, ignore)
        map[-1] = ignore
        return map
    return draw


def floats(*shape):
    return lambda count: torch.randn(count, *shape)


def unit(*shape):
    return lambda count: torch.rand(count, *shape)


def objects(n, classes, width, height):
    """Rows of class, centre, size in pixels, the last of them padding."""
    def draw(count):
        size = torch.tensor([width, height])
        places = torch.rand(count, n, 2) * size
        sizes = (0.1 + 0.5 * torch.rand(count, n, 2)) * size
        rows = torch.cat([torch.randint(classes, (count, n, 1)), places, sizes], 2)
        rows[:, -1] = -1
        return rows
    return draw
