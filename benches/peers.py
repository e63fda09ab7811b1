"""What benches/passes.py measures rhobust beside: PyTorch as people write it, PyTorch tuned by hand,
and the convolutions alone, which no program can go below.

    python peers.py eager|tuned|ceiling SIDE N STEPS ROUNDS

Prints `ms` and milliseconds an image for each gradient step, ROUNDS times.
"""

import copy
import os
import sys
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
OUTPUTS, CLASSES, EPS = 1001, 1000, 0.03


class Normalized(nn.Module):
    """Pixels in [0, 1] to the logits of the classes."""

    def __init__(self, network, dtype=torch.float32, classes=CLASSES):
        super().__init__()
        self.network, self.dtype, self.classes = network, dtype, classes
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, x):
        z = ((x - self.mean) / self.std).to(self.dtype)
        return self.network(z).float()[:, :self.classes]


def folded(network):
    network = copy.deepcopy(network)
    network.conv1, network.bn1 = fuse_conv_bn_eval(network.conv1, network.bn1), nn.Identity()
    for layer in [network.layer1, network.layer2, network.layer3, network.layer4]:
        for block in layer:
            for i in (1, 2, 3):
                conv, norm = getattr(block, f"conv{i}"), getattr(block, f"bn{i}")
                setattr(block, f"conv{i}", fuse_conv_bn_eval(conv, norm))
                setattr(block, f"bn{i}", nn.Identity())
            if block.downsample is not None:
                block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def torchattacks_pgd(network, x, y, steps):
    import torchattacks

    attack = torchattacks.PGD(Normalized(network), eps=EPS, alpha=2.5 * EPS / steps, steps=steps)
    return lambda: attack(x, y)


def tuned_pgd(network, x, y, steps):
    """Batch norm folded, bfloat16, channels-last, no gradient of weights."""
    network = folded(network).to(torch.bfloat16).to(memory_format=torch.channels_last)
    model = Normalized(network, torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)
    low, high = (x - EPS).clamp_(0, 1), (x + EPS).clamp_(0, 1)

    def run():
        x_adv = torch.clamp(x + torch.empty_like(x).uniform_(-EPS, EPS), 0, 1)
        for _ in range(steps):
            x_adv.requires_grad_(True)
            loss = F.cross_entropy(model(x_adv), y, reduction="sum")
            slope = torch.autograd.grad(loss, x_adv)[0]
            with torch.no_grad():
                x_adv = (x_adv + (2.5 * EPS / steps) * slope.sign()).clamp_(low, high)
        return x_adv

    return run


def convolutions(network, x, y, steps):
    """Every convolution of the network in bfloat16, there and back, and nothing else."""
    network = network.to(torch.bfloat16).to(memory_format=torch.channels_last)
    shapes = []
    hooks = [
        module.register_forward_hook(lambda m, i, o: shapes.append((m, i[0].detach(), o.detach())))
        for module in network.modules() if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()

    def run():
        for _ in range(steps):
            for conv, given, made in shapes:
                geometry = (conv.stride, conv.padding, conv.dilation)
                torch.conv2d(given, conv.weight, None, *geometry)
                torch.ops.aten.convolution_backward(
                    made, given, conv.weight, None, *geometry, False, [0, 0], 1,
                    [True, False, False])

    return torch.no_grad()(run)


def main():
    kind, side, n, steps, rounds = sys.argv[1], *map(int, sys.argv[2:])
    torch.manual_seed(0)
    network = torchvision.models.resnet50(num_classes=OUTPUTS).eval()
    x, y = torch.rand(n, 3, side, side), torch.randint(0, CLASSES, (n,))
    make = {"eager": torchattacks_pgd, "tuned": tuned_pgd, "ceiling": convolutions}[kind]
    run = make(network, x, y, steps)
    run()
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        print("ms", (time.perf_counter() - start) * 1000 / (n * steps))


if __name__ == "__main__":
    main()
