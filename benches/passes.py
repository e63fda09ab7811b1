"""Measures PGD on ResNet-50 beside PyTorch: torchattacks as people call it, the best that is tuned by
hand, and the convolutions alone.

    python3 benches/passes.py [ROUNDS]

Called by `make bench`. The programs take turns; printed are medians and ratios, written to
target/bench/passes.json, too, with how the time grows with batch and size of the images.
"""

import json
import sys

from common import HERE, HOME, PYTHON, THREADS, alternating, install, numbers, rhobust

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
    found = {}
    print("\nhow the time of a step grows, ms an image")
    for side, n in [(32, 1), (32, 8), (32, 64), (32, 256), (64, 64), (128, 16), (224, 1), (224, 16)]:
        values = numbers(rhobust("passes.rhai", side=side, n=n, rounds=3))
        found[f"{side} px, batch {n}"] = min(values)
        print(f"{side:4} px, batch {n:4} {min(values):8.3f}")
    return found


def main():
    install()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {f"{side} px, batch {n}": beside(side, n, rounds) for side, n in WORK}
    results["growth"] = growth()
    results["threads"] = THREADS
    (HOME / "passes.json").write_text(json.dumps(results, indent=2) + "\n")


main()
