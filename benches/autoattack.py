"""Measures the standard AutoAttack beside another program on the same weights and images.

    python3 benches/autoattack.py CIFAR10 [WEIGHTS]

CIFAR10 is the data set as `dataset` reads it. Without WEIGHTS, a safetensors file for the network
of benches/autoattack.rhai, the network is trained first. The other program is torchattacks, whose
AutoAttack is a port of the authors' program; or the authors' own, github.com/fra31/auto-attack,
where AUTOATTACK names a checkout of it. Python packages are installed into target/bench, once,
unless PYTHON names an interpreter that has them. IMAGES and THREADS may be set.

Counted is the processor time of all threads as well as the time that passes: where another program
runs at the same time, the first is the steadier. Results are written to
target/bench/autoattack.json, too.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from common import HERE, HOME, PYTHON, RHOBUST, THREADS, install

IMAGES = os.environ.get("IMAGES", "500")
EPS = 8 / 255


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(command):
    """The processor time and the time that passed, of all and of each part, whose begin and end a
    program tells by a line."""
    start = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                             cwd=HOME)
    parts, before = {}, (0, 0)
    for line in child.stdout:
        words = line.split()
        now = (processor_seconds(child.pid), time.perf_counter() - start)
        if words[:1] == ["part"]:
            parts[words[1]] = [now[0] - before[0], now[1] - before[1]]
        before = now
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    total = [usage.ru_utime + usage.ru_stime, time.perf_counter() - start]
    return {"all": total, **parts}


def rhobust(folder, out, *settings):
    shutil.rmtree(out, ignore_errors=True)
    pairs = [part for setting in (f"data={folder}", f"images={IMAGES}", *settings)
             for part in ("--set", setting)]
    return timed([RHOBUST, "run", HERE / "autoattack.rhai", "--threads", THREADS, "--out", out,
                  *pairs])


def other(weights, images, out):
    """Runs the other program; called again where torch is."""
    import numpy
    import torch
    from safetensors.torch import load_file
    from torch import nn

    torch.set_num_threads(int(THREADS))
    layers = []
    for inputs, outputs, stride in [(3, 16, 1), (16, 32, 2), (32, 64, 2)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10))
    model.load_state_dict(load_file(weights))
    model.eval()
    batch = load_file(images)
    x, y = batch["x"], batch["y"]

    if "AUTOATTACK" in os.environ:
        sys.path.insert(0, os.environ["AUTOATTACK"])
        from autoattack import AutoAttack

        attack = AutoAttack(model, norm="Linf", eps=EPS, version="standard", device="cpu", seed=0,
                            verbose=True)

        def log(text):
            if text.startswith("robust accuracy after"):
                print("part", text.split()[3].rstrip(":").lower(), flush=True)

        attack.logger.log = log
        print("begin", flush=True)
        x_adv = attack.run_standard_evaluation(x, y, bs=len(x))
    else:
        import torchattacks

        attack = torchattacks.AutoAttack(model, norm="Linf", eps=EPS, version="standard",
                                         n_classes=10, seed=0)
        x_adv = attack(x, y)
    with torch.no_grad():
        right = model(x_adv.detach()).argmax(1) == y
    numpy.save(out, right.numpy())


def decisions(weights, images, adversarial, theirs):
    """Compares which images are still classified rightly, by one and the same model."""
    code = f"""
import numpy, sys
sys.argv = ["", ""]
sys.path.insert(0, {str(HERE)!r})
import autoattack, torch
from safetensors.torch import load_file
from torch import nn
layers = []
for i, o, s in [(3, 16, 1), (16, 32, 2), (32, 64, 2)]:
    layers += [nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.ReLU()]
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10))
model.load_state_dict(load_file({str(weights)!r}))
model.eval()
images, found = load_file({str(images)!r}), load_file({str(adversarial)!r})["x_adv"]
ours = (model(found).argmax(1) == images["y"]).numpy()
theirs = numpy.load({str(theirs)!r})
size = (found - images["x"]).abs().max().item()
assert size <= {EPS} + 1e-6 and found.min() >= 0 and found.max() <= 1
print((ours == theirs).sum(), len(ours), ours.mean(), theirs.mean())
"""
    text = subprocess.check_output([PYTHON, "-c", code], text=True)
    equal, all_, ours, theirs = text.split()
    return int(equal), int(all_), float(ours), float(theirs)


def main():
    if sys.argv[1] == "--other":
        other(*sys.argv[2:])
        return
    folder = Path(sys.argv[1]).resolve()
    if not folder.is_dir():
        print(f"{folder} is not there: AutoAttack is not measured")
        return
    install()
    if len(sys.argv) > 2:
        weights = Path(sys.argv[2]).resolve()
    else:
        weights = HOME / "autoattack-training" / "model.safetensors"
        if not weights.exists():
            print("training the network ...", flush=True)
            rhobust(folder, weights.parent)
    run = HOME / "autoattack-run"
    ours = rhobust(folder, run, f"weights={weights}")
    lowered_run = HOME / "autoattack-lowered"
    lowered = rhobust(folder, lowered_run, f"weights={weights}", "precision=auto")
    images, found = run / "images.safetensors", HOME / "autoattack-other.npy"
    theirs = timed([PYTHON, __file__, "--other", weights, images, found])
    name = "the authors' program" if "AUTOATTACK" in os.environ else "torchattacks"
    print(f"\nprocessor seconds (time that passed)      rhobust   {name}   times as fast")
    for part, mine in ours.items():
        if part in theirs:
            yours = theirs[part]
            print(f"{part:20} {mine[0]:8.1f} ({mine[1]:7.1f}) {yours[0]:8.1f} ({yours[1]:7.1f}) "
                  f"{yours[0] / mine[0]:6.2f} ({yours[1] / mine[1]:.2f})")
    equal, images_, mine, yours = decisions(weights, images, run / "adversarial.safetensors", found)
    print(f"the same decision on {equal} of {images_} images; robust accuracy {mine:.4f} and "
          f"{yours:.4f}")
    ratio = theirs["all"][1] / lowered["all"][1]
    print(f"with precision \"auto\" {lowered['all'][1]:.1f} s, {ratio:.2f} times as fast")
    equal_lowered, *_ = decisions(weights, images, lowered_run / "adversarial.safetensors", found)
    print(f"the same decision on {equal_lowered} of {images_} images")
    results = {"rhobust": ours, "rhobust, auto": lowered, name: theirs,
               "equal": equal, "equal, auto": equal_lowered, "images": images_,
               "robust_accuracy": [mine, yours], "threads": THREADS}
    (HOME / "autoattack.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
