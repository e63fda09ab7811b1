"""Measures PGD on ResNet-50 beside PyTorch: torchattacks as people call it, the best that is tuned by
hand, and the convolutions alone.

    python3 benches/passes.py [ROUNDS]

Called by `make bench`. The programs take turns; printed are medians and ratios, written to
target/bench/passes.json, too, with how the time grows with batch and size of the images.
"""

import json
import sys

from common import HERE, HOME, PYTHON, THREADS, alternating, install, measured, rhobust

STEPS = 10
# Side of the images and images in a batch.
WORK = [(224, 16), (32, 64), (32, 256)]


def peer(kind, side, n):
    return [PYTHON, HERE / "peers.py", kind, side, n, STEPS, 1 if side > 100 else 3]


def beside(side, n, rounds):
    own = dict(side=side, n=n, steps=STEPS, rounds=1 if side > 100 else 3)
    medians = alternating({
        "torchattacks": peer("eager", side, n),
        "tuned by hand": peer("tuned", side, n),
        "convolutions alone": peer("ceiling", side, n),
        "rhobust": rhobust("passes.rhai", **own),
        "rhobust, float32": rhobust("passes.rhai", **own, precision="float32"),
    }, rounds)
    print(f"\nPGD-{STEPS}, {side} px, batch {n}, {THREADS} threads: ms an image-step, "
          "times as fast as torchattacks")
    for name, value in medians.items():
        print(f"{name:20} {value:8.3f} {medians['torchattacks'] / value:6.2f}")
    share = medians["convolutions alone"] / medians["rhobust"]
    print(f"the convolutions alone, as PyTorch does them, are {share:.0%} of rhobust's time")
    return medians


def growth():
    """From one setting, what a step takes as one thing grows after another."""
    middle = dict(side=32, n=64, steps=STEPS, classes=1000, threads=int(THREADS))
    settings = [dict(n=n) for n in (1, 8, 64, 256)]
    settings += [dict(side=64), dict(side=128, n=16), dict(side=224, n=1), dict(side=224, n=16)]
    settings += [dict(steps=steps) for steps in (1, 40)]
    settings += [dict(classes=classes) for classes in (10, 10000)]
    settings += [dict(threads=threads) for threads in range(1, int(THREADS) + 1)]
    found = []
    print("\nhow the time of a step grows, ms an image, and the most memory, MiB")
    for changed in settings:
        given = {**middle, **changed}
        outputs = given["classes"] + 1
        values, memory = measured(rhobust("passes.rhai", **given, outputs=outputs, rounds=3))
        found.append({**given, "ms": min(values), "MiB": memory})
        name = ", ".join(f"{key} {value}" for key, value in {"n": given["n"], **changed}.items())
        print(f"{name:20} {min(values):8.3f} {memory:8.0f}")
    return found


def main():
    install()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {f"{side} px, batch {n}": beside(side, n, rounds) for side, n in WORK}
    results["growth"] = growth()
    results["threads"] = THREADS
    (HOME / "passes.json").write_text(json.dumps(results, indent=2) + "\n")


main()
