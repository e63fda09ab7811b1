"""The loop of training.rhai in PyTorch with torchattacks, on images in memory.

    python training_pytorch.py SIDE N BATCHES STEPS ROUNDS
"""

import sys
import time

import torch
import torch.nn.functional as F
import torchattacks
import torchvision

from peers import Normalized

CLASSES, EPS, DELTA = 10, 0.03, 0.03


def main():
    side, n, batches, steps, rounds = map(int, sys.argv[1:])
    torch.manual_seed(0)
    network = torchvision.models.resnet50(num_classes=CLASSES + 1)
    model = Normalized(network, classes=CLASSES + 1)
    victim = Normalized(network, classes=CLASSES)
    x, y = torch.rand(n * batches, 3, side, side), torch.randint(0, CLASSES, (n * batches,))
    attack = torchattacks.PGD(victim, eps=EPS, alpha=2.5 * EPS / steps, steps=steps)
    attack.set_model_training_mode(model_training=False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def loss(x, targets):
        return -(targets * F.log_softmax(model(x), 1)).sum(1).mean()

    def epoch(count):
        for at in range(0, count, n):
            clean, classes = x[at:at + n], y[at:at + n]
            attacked = attack(clean, classes)
            network.train()
            clean_targets = F.one_hot(classes, CLASSES + 1).float()
            targets = clean_targets * (1 - DELTA)
            targets[:, CLASSES] = DELTA
            both = (loss(clean, clean_targets) + loss(attacked, targets)) / 2
            optimizer.zero_grad()
            both.backward()
            optimizer.step()

    epoch(2 * n)
    for _ in range(rounds):
        start = time.perf_counter()
        epoch(n * batches)
        print("ms", (time.perf_counter() - start) * 1000 / (n * batches))


if __name__ == "__main__":
    main()
