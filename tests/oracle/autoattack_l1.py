"""Made autoattack_l1.json: the L1 attacks of the authors' program, in float64.

    python3 autoattack_l1.py CHECKOUT

CHECKOUT is github.com/fra31/auto-attack at a392200; PyTorch was 2.11.0. The network, its weights
and the images are those of attacks.rs and fill.rs. Two things of the program are changed: float()
means double(), and an entry counts as changed (`L0_norm`) from 1e-12 on. There it counts what
rounding leaves where a projection takes an entry back to the clean image.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
SEED = 100
EPS = 0.75
STRIDE = 97
MASK = (1 << 64) - 1


def u(name, n):
    state = 0xCBF29CE484222325
    for byte in f"0:{name}".encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    found = []
    for i in range(n):
        z = (state + (i + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(((z ^ (z >> 31)) >> 11) * 2.0**-53)
    return np.array(found)


def images(name, n, side):
    coarse = u(f"{name}.coarse", n * 48).reshape(n, 3, 4, 4)
    fine = u(f"{name}.fine", n * 3 * side * side).reshape(n, 3, side, side)
    at = 4 * np.arange(side) // side
    x = 0.75 * coarse[:, :, at][:, :, :, at] + 0.25 * fine
    return torch.from_numpy(np.clip(1.25 * x - 0.125, 0, 1))


class Normalize(nn.Module):
    def forward(self, x):
        constant = lambda values: torch.tensor(values).reshape(1, 3, 1, 1)
        return (x - constant([0.485, 0.456, 0.406])) / constant([0.229, 0.224, 0.225])


def network():
    conv = lambda inputs, outputs, stride: nn.Conv2d(inputs, outputs, 3, stride, 1)
    layers = [("conv1", conv(3, 8, 1)), ("relu1", nn.ReLU()), ("conv2", conv(8, 16, 2)),
              ("relu2", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(4)), ("flatten", nn.Flatten()),
              ("fc", nn.Linear(256, 10))]
    model = nn.Sequential()
    for name, layer in layers:
        model.add_module(name, layer)
    for name, tensor in model.state_dict().items():
        values = 2 * u(name, tensor.numel()) - 1
        scale = np.sqrt(6 / (tensor.numel() / tensor.shape[0])) if tensor.ndim > 1 else 0.1
        tensor.copy_(torch.from_numpy(scale * values).reshape(tensor.shape))
    return nn.Sequential(Normalize(), model).eval()


def main():
    sys.path.insert(0, sys.argv[1])
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    from autoattack import autopgd_base
    from autoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from autoattack.fab_pt import FABAttack_PT
    from autoattack.square import SquareAttack

    autopgd_base.L0_norm = lambda x: (x.abs() > 1e-12).view(x.shape[0], -1).sum(-1)
    model = network()
    x = images("attack.tiny", 8, 16)
    attacks = json.loads((HERE / "attacks.json").read_text())
    y = torch.tensor([int(c) for c in attacks["tiny.y"]["values"]])

    class Silent:
        def log(self, text):
            pass

    steps = {"n_iter": 30}
    cases = [
        ("apgd_ce", APGDAttack, {**steps, "loss": "ce", "use_largereps": True}),
        ("apgd_dlr", APGDAttack, {**steps, "loss": "dlr", "use_largereps": True}),
        ("apgd_t", APGDAttack_targeted, {**steps, "n_target_classes": 3, "use_largereps": True}),
        ("fab_t", FABAttack_PT, {**steps, "targeted": True, "n_target_classes": 3}),
        ("square", SquareAttack, {"n_queries": 60, "p_init": 0.8, "loss": "margin",
                                  "resc_schedule": False}),
    ]
    found = {}
    for name, attack, options in cases:
        given = dict(options, norm="L1", eps=EPS, seed=SEED, device="cpu", verbose=False,
                     n_restarts=1)
        if "apgd" in name:
            given["logger"] = Silent()
        adv = attack(model, **given).perturb(x, y).detach()
        with torch.no_grad():
            broken = model(adv).argmax(1) != y
        values = adv.reshape(-1)[::STRIDE].tolist()
        kept = {k: v for k, v in options.items() if k in ("n_iter", "n_target_classes", "n_queries")}
        found[f"tiny.f64.aa_{name}_l1"] = {
            "norm": "l1", "parameters": {**kept, "eps": EPS}, "success": broken.int().tolist(),
            "adv": {"shape": list(adv.shape), "stride": STRIDE, "values": values}}
        print(name, broken.int().tolist(), (adv - x).abs().flatten(1).sum(1).tolist())
    lines = [f"{json.dumps(key)}:{json.dumps(case, separators=(',', ':'))}"
             for key, case in found.items()]
    (HERE / "autoattack_l1.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
