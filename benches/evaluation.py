"""Measures a PGD-40 evaluation of ResNet-50 on CIFAR-10 beside torchattacks, of an undefended and of an
adversarially trained network.

    python3 benches/evaluation.py CIFAR10

Called by `make bench CIFAR10=path`. The networks are trained once, into target/bench. The programs
take turns; printed are medians, ratios and errors, written to target/bench/evaluation.json, too.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from common import HERE, HOME, PYTHON, THREADS, install, median, printed, rhobust

STEPS, BATCH = 40, 128
IMAGES = int(os.environ.get("IMAGES", "4096"))
# Of so many torchattacks takes the time: each of its images takes the same.
FEWER = min(IMAGES, 256)
ROUNDS = int(os.environ.get("ROUNDS", "2"))
# The radius that the defended network was trained with.
EPS = {"undefended": 8 / 255, "defended": 4 / 255}


def own(data, weights, eps, **settings):
    out = HOME / "evaluation-run"
    shutil.rmtree(out, ignore_errors=True)
    return [*rhobust("evaluation.rhai", data=data, weights=weights, eps=eps, steps=STEPS,
                     images=IMAGES, batch_size=BATCH, **settings), "--out", out]


def beside(name, data, weights, eps):
    images = HOME / "evaluation-run" / "images.safetensors"
    found = {}
    for _ in range(ROUNDS):
        for kind, settings in {
            "rhobust": {},
            "rhobust, never stopping": {"stop": "never"},
            "rhobust, float32": {"precision": "float32"},
        }.items():
            found.setdefault(kind, []).append(printed(own(data, weights, eps, **settings)))
        peer = [PYTHON, HERE / "evaluation_pytorch.py", weights, images, eps, STEPS, BATCH, FEWER]
        found.setdefault("torchattacks", []).append(printed(peer))
    base = median(found["torchattacks"], "ms")
    clean = found["rhobust"][0]["clean"]
    print(f"\nPGD-{STEPS} at eps {eps:.4f}, {name} ResNet-50, clean error {clean:.3f}, {IMAGES} images "
          f"(torchattacks: {FEWER}), "
          f"{THREADS} threads: ms an image, times as fast, error")
    medians = {}
    for kind, runs in found.items():
        ms, error = median(runs, "ms"), runs[0]["attacked"]
        medians[kind] = {"ms": ms, "error": error}
        print(f"{kind:24} {ms:9.2f} {base / ms:7.1f} {error:8.4f}")
    return {"eps": eps, "clean": clean, **medians}


def main():
    data = Path(sys.argv[1]).resolve()
    if not data.is_dir():
        print(f"{data} is not there: evaluations are not measured")
        return
    install()
    trained = HOME / "evaluation-training"
    if not (trained / "defended.safetensors").exists():
        print("training the networks ...", flush=True)
        shutil.rmtree(trained, ignore_errors=True)
        subprocess.run([*rhobust("evaluation.rhai", data=data), "--out", trained], check=True)
    results = {
        name: beside(name, data, trained / f"{name}.safetensors", eps)
        for name, eps in EPS.items()
    }
    (HOME / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n")


main()
