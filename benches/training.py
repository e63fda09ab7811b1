"""Measures Adv+ training with PGD-10 on ResNet-50 beside the same loop in PyTorch with torchattacks.

    python3 benches/training.py [ROUNDS]

Called by `make bench`. The programs take turns; medians and ratios are printed and written to
target/bench/training.json.
"""

import json
import sys

from common import HERE, HOME, PYTHON, THREADS, alternating, install, rhobust

SIDE, N, BATCHES, STEPS = 32, 64, 10, 10


def main():
    install()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    own = dict(n=N, batches=BATCHES, steps=STEPS)
    medians = alternating({
        "PyTorch, torchattacks": [PYTHON, HERE / "training_pytorch.py", SIDE, N, BATCHES, STEPS, 2],
        "rhobust": rhobust("training.rhai", **own),
        "rhobust, float32": rhobust("training.rhai", **own, precision="float32"),
    }, rounds)
    print(f"\nAdv+ with PGD-{STEPS}, {SIDE} px, batch {N}, {THREADS} threads: ms an image, "
          "times as fast as PyTorch")
    for name, value in medians.items():
        print(f"{name:22} {value:8.2f} {medians['PyTorch, torchattacks'] / value:6.2f}")
    (HOME / "training.json").write_text(json.dumps({**medians, "threads": THREADS}, indent=2) + "\n")


main()
