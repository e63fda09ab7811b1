"""What benches/operations.rhai does, written as people write it in PyTorch."""

import time

import torch

ROUNDS = 100_000
torch.set_num_threads(1)


def measured(name, step, x):
    start = time.perf_counter()
    with torch.no_grad():
        for _ in range(ROUNDS):
            x = step(x)
    print(name, round((time.perf_counter() - start) * 1e9 / ROUNDS))


def pgd_step(x_adv):
    x_adv = x_adv.detach() + 0.01 * gradient.sign()
    delta = torch.clamp(x_adv - x, min=-0.03, max=0.03)
    return torch.clamp(x + delta, min=0, max=1).detach()


measured("operation", lambda x: x * 0.999 + 0.001, torch.tensor([0.5]))
x = torch.tensor([0.5])
gradient = torch.tensor([0.2])
measured("pgd_step", pgd_step, torch.tensor([0.51]))
