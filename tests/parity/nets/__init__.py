"""The networks of make.py: for each name its class, how many images, its inputs and its targets."""
from . import axes, boxes, convolutions, losses, networks, norms, operators, pools

NETS = {}
for part in networks, operators, losses, boxes, convolutions, pools, axes, norms:
    NETS |= part.NETS
