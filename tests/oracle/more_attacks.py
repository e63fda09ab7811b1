"""Makes more_attacks.json: what torchattacks 3.5.1 and foolbox 3.3.4 do on the small network of
attacks.json, in float64 on the CPU.

    python more_attacks.py > more_attacks.json

Weights and images come from the closed form of fill.rs. Where a package is not run as it is, the
comment beside it says what was changed and why.
"""

import json

import foolbox
import numpy as np
import torch
import torchattacks
from torch import nn

SEED = 0
MASK = (1 << 64) - 1


def u(name, count):
    """`count` numbers in [0, 1): SplitMix64 from the FNV-1a hash of "seed:name"."""
    h = 0xCBF29CE484222325
    for byte in f"{SEED}:{name}".encode():
        h = ((h ^ byte) * 0x0100000001B3) & MASK
    values = []
    for i in range(count):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(((z ^ (z >> 31)) >> 11) * 2.0**-53)
    return torch.tensor(values, dtype=torch.float64)


def fill(net):
    for name, value in net.state_dict().items():
        numbers = u(name, value.numel()).reshape(value.shape)
        if value.ndim >= 2:
            bound = (6.0 / value[0].numel()) ** 0.5
            value.copy_(bound * (2.0 * numbers - 1.0))
        else:
            value.copy_(0.1 * (2.0 * numbers - 1.0))
    return net


def images(name, n, size):
    coarse = u(f"{name}.coarse", n * 48).reshape(n, 3, 4, 4)
    coarse = coarse.repeat_interleave(size // 4, 2).repeat_interleave(size // 4, 3)
    fine = u(f"{name}.fine", n * 3 * size * size).reshape(n, 3, size, size)
    return (1.25 * (0.75 * coarse + 0.25 * fine) - 0.125).clamp(0.0, 1.0)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc = nn.Linear(256, 10)
        self.mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).reshape(3, 1, 1)
        self.std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).reshape(3, 1, 1)

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.fc(self.pool(x).flatten(1))


class Noisy(nn.Module):
    """A model that draws."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x + 0.05 * torch.randn_like(x))


class Spsa(torchattacks.SPSA):
    """The directions from uniform numbers instead of `bernoulli_`, which draws otherwise."""

    def spsa_grad(self, *args):
        before = torch.Tensor.bernoulli_
        torch.Tensor.bernoulli_ = lambda v: v.copy_((torch.rand_like(v) < 0.5).to(v.dtype))
        try:
            return super().spsa_grad(*args)
        finally:
            torch.Tensor.bernoulli_ = before


class Cw(torchattacks.CW):
    """The f6 of the paper: the package multiplies by a mask, so that 0 takes part in its maxima.
    That matters where the wanted logit is negative, so for targets."""

    def f(self, outputs, labels):
        real = outputs.gather(1, labels[:, None])[:, 0]
        other = outputs.scatter(1, labels[:, None], -torch.inf).amax(1)
        lead = other - real if self.targeted else real - other
        return lead.clamp(min=-self.kappa)


class L2Fmn(foolbox.attacks.L2FMNAttack):
    """With the projection of the paper: the package's has a factor of norms / norms, 1."""

    def project(self, x, x0, epsilon):
        delta = x - x0
        norms = delta.flatten(start=1).norms.l2(axis=-1).maximum(1e-12)
        return x0 + delta * (epsilon / norms).minimum(1.0).reshape((len(x), 1, 1, 1))


torch.set_num_threads(1)
net = fill(Tiny().double()).eval()
for parameter in net.parameters():
    parameter.requires_grad_(False)
x = images("attack.tiny", 8, 16)
# No pixel near black or white, for rules that differ only where the box is met.
grey = 0.4 * x + 0.3
clean = net(x).argmax(1)
# The last image is wrong from the start.
y = torch.cat([clean[:-1], (clean[-1:] + 1) % 10])
targets = (clean + 3) % 10
grey_y = net(grey).argmax(1)
cases = {}


def keep(key, parameters, start, adv, norm):
    delta = (adv - start).flatten(1)
    size = delta.abs().amax(1) if norm == "linf" else delta.norm(dim=1)
    cases[key] = {
        "norm": norm,
        "parameters": parameters,
        "predicted": net(adv).argmax(1).tolist(),
        "size": size.tolist(),
        "adv": {
            "shape": list(adv.shape),
            "stride": 193,
            "values": adv.flatten()[::193].tolist(),
        },
    }


def one_by_one(run, images, classes):
    """An image's result then does not depend on the others: the packages stop all at once."""
    results = [run(images[i : i + 1], classes[i : i + 1]) for i in range(len(images))]
    return torch.cat(results)


# torchattacks
FAMILY = {
    "rfgsm": torchattacks.RFGSM,
    "bim": torchattacks.BIM,
    "mifgsm": torchattacks.MIFGSM,
    "nifgsm": torchattacks.NIFGSM,
    "tpgd": torchattacks.TPGD,
    "eot_pgd": torchattacks.EOTPGD,
}
for name, attack in FAMILY.items():
    for eps in (1 / 255, 8 / 255):
        for targeted in (False, True):
            if targeted and name == "tpgd":
                continue
            parameters = {"eps": eps}
            if name in ("mifgsm", "nifgsm"):
                parameters["decay"] = 0.9
            model = Noisy(net) if name == "eot_pgd" else net
            # The package's alpha is 2/255 whatever eps is: given here as ours follows eps.
            job = attack(model, alpha=2.5 * eps / 10, **parameters)
            if name == "eot_pgd":
                parameters["eot"] = 2
            if targeted:
                job.set_mode_targeted_by_label(quiet=True)
                parameters["targeted"] = True
            torch.manual_seed(100)
            adv = job(x, targets if targeted else y).detach()
            kind = "targeted" if targeted else "away"
            keep(f"ta.{name}.{round(eps * 255)}.{kind}", parameters, x, adv, "linf")

for targeted in (False, True):
    kind = "targeted" if targeted else "away"
    job = Spsa(net, eps=8 / 255, delta=0.01, lr=0.01, nb_iter=6, nb_sample=20, max_batch_size=8)
    if targeted:
        job.set_mode_targeted_by_label(quiet=True)
    torch.manual_seed(100)
    adv = job(x, targets if targeted else y).detach()
    options = {"eps": 8 / 255, "steps": 6, "samples": 20, "targeted": targeted}
    keep(f"ta.spsa.{kind}", options, x, adv, "linf")

    job = (Cw if targeted else torchattacks.CW)(net, c=1, kappa=0, steps=50, lr=0.01)
    if targeted:
        job.set_mode_targeted_by_label(quiet=True)
    adv = one_by_one(lambda a, b: job(a, b).detach(), x, targets if targeted else y)
    options = {"steps": 50, "c": 1.0, "search_steps": 1, "lr": 0.01, "targeted": targeted}
    keep(f"ta.cw.{kind}", options, x, adv, "l2")

# Where the box takes more from each step than the overshoot adds, the package comes nearer to the
# boundary for ever; after 4 steps it is still farther from it than rounding.
for name, steps, start, classes in (("box", 4, x, y), ("grey", 50, grey, grey_y)):
    adv = torchattacks.DeepFool(net, steps=steps, overshoot=0.02)(start, classes).detach()
    keep(f"ta.deepfool.{name}", {"norm": "l2", "steps": steps, "extra": 0.0}, start, adv, "l2")

# foolbox
model = foolbox.PyTorchModel(net.eval(), bounds=(0, 1))


def criterion(classes, targeted):
    kind = foolbox.TargetedMisclassification if targeted else foolbox.Misclassification
    return kind(classes)


for name, attack, norm in (
    ("l2", foolbox.attacks.L2DeepFoolAttack, "l2"),
    ("linf", foolbox.attacks.LinfDeepFoolAttack, "linf"),
):
    adv = attack(steps=50).run(model, grey, criterion(grey_y, False))
    keep(f"fb.deepfool.{name}", {"norm": norm, "extra": 1e-4}, grey, adv, norm)

for targeted in (False, True):
    kind = "targeted" if targeted else "away"
    classes = targets if targeted else y
    for confidence in (0.0, 0.5):
        # A power of 2, as the package rounds its constants to float32.
        options = {"steps": 60, "c": 2.0**-7, "search_steps": 5, "confidence": confidence}
        # A success in the very step that ends a descent counts for us and not for the package.
        # That happens with a confidence, so nothing ends early there.
        options["abort_early"] = confidence == 0.0
        job = foolbox.attacks.L2CarliniWagnerAttack(
            binary_search_steps=5,
            steps=60,
            initial_const=2.0**-7,
            confidence=confidence,
            abort_early=options["abort_early"],
        )
        adv = one_by_one(lambda a, b: job.run(model, a, criterion(b, targeted)), x, classes)
        options["targeted"] = targeted
        keep(f"fb.cw.{confidence}.{kind}", options, x, adv, "l2")
    adv = foolbox.attacks.LInfFMNAttack(steps=60).run(model, x, criterion(classes, targeted))
    options = {"norm": "linf", "steps": 60, "targeted": targeted}
    keep(f"fb.fmn.linf.{kind}", options, x, adv, "linf")
    adv = L2Fmn(steps=60).run(model, x, criterion(classes, targeted))
    options = {"norm": "l2", "steps": 60, "targeted": targeted}
    keep(f"fb.fmn.l2.{kind}", options, x, adv, "l2")
    # The package rounds 1 + gamma and 1 - gamma to float32: these have few digits.
    attack = foolbox.attacks.DDNAttack(steps=60, gamma=0.0625)
    adv = attack.run(model, x, criterion(classes, targeted))
    options = {"steps": 60, "gamma": 0.0625, "targeted": targeted}
    keep(f"fb.ddn.{kind}", options, x, adv, "l2")

source = (
    f"PyTorch {torch.__version__.split('+')[0]}, torchattacks 3.5.1, foolbox {foolbox.__version__}; "
    f"float64; entries are every `stride`-th value in row-major order"
)
head = {"source": source, "y": y.tolist(), "targets": targets.tolist(), "grey_y": grey_y.tolist()}
lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in {**head, **cases}.items()]
print("{\n" + ",\n".join(lines) + "\n}")
