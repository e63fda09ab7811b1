"""PGD of torchattacks on the network and the images of evaluation.rhai.

    python evaluation_pytorch.py WEIGHTS IMAGES EPS STEPS BATCH COUNT
"""

import sys
import time

import torch
import torchattacks
import torchvision
from safetensors.torch import load_file

from peers import Normalized


def main():
    weights, images = sys.argv[1:3]
    eps, steps, n = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    network = torchvision.models.resnet50(num_classes=11)
    network.load_state_dict(load_file(weights))
    model = Normalized(network, classes=10).eval()
    model.mean.copy_(torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1))
    model.std.copy_(torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1))
    batch = load_file(images)
    count = int(sys.argv[6])
    x, y = batch["x"][:count], batch["y"][:count]
    attack = torchattacks.PGD(model, eps=eps, alpha=2.5 * eps / steps, steps=steps)
    attack(x[:8], y[:8])
    start, wrong = time.perf_counter(), 0
    for at in range(0, len(x), n):
        x_adv = attack(x[at:at + n], y[at:at + n])
        with torch.no_grad():
            wrong += (model(x_adv).argmax(1) != y[at:at + n]).sum().item()
    print("ms", (time.perf_counter() - start) * 1000 / len(x))
    print("attacked", wrong / len(x))


if __name__ == "__main__":
    main()
