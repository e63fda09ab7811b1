"""Measures rhobust beside Python with PyTorch, alternating in one run; prints medians and ratios.

Called by `make bench`, which has built the program. Python's side is installed into
target/bench, once. Results are written to target/bench/session.json, too.
"""

import json
import os
import pty
import select
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "target" / "bench"
PYTHON = HOME / "python" / "bin" / "python"
RHOBUST = ROOT / "target" / "release" / "rhobust"
ROUNDS = 7


def install():
    """PyTorch of the release that rhobust is built on, and IPython."""
    pins = (ROOT / "setup" / "libtorch.txt").read_text().split()
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    if not PYTHON.exists():
        venv.create(PYTHON.parent.parent, with_pip=True)
    probe = "import torch, IPython, numpy; print(torch.__version__.split('+')[0])"
    found = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True)
    if found.stdout.strip() != torch.removeprefix("torch=="):
        print("installing", torch, "and ipython for the comparison ...", flush=True)
        packages = [torch, "ipython", "numpy"]
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *packages], check=True)


def finished(command):
    """Seconds and MiB (largest resident set) of a program that ends by itself."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=HOME)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def prompted(command, prompt):
    """Seconds until `prompt` shows in a terminal, and MiB resident then."""
    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(HOME)
        os.environ.update(TERM="xterm", IPYTHONDIR=str(HOME / "ipython"))
        os.execv(command[0], [str(part) for part in command])
    shown = b""
    while prompt not in shown:
        if not select.select([terminal], [], [], 120)[0]:
            sys.exit(f"{command} shows no prompt: {shown!r}")
        shown += os.read(terminal, 4096)
        # IPython asks the terminal where its cursor is.
        if b"\x1b[6n" in shown:
            os.write(terminal, b"\x1b[1;1R")
            shown = shown.replace(b"\x1b[6n", b"")
    seconds = time.perf_counter() - start
    status = Path(f"/proc/{child}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    os.kill(child, 9)
    os.close(terminal)
    os.waitpid(child, 0)
    return seconds, int(resident.split()[1]) / 1024


def printed(command):
    """The numbers by name that a program prints."""
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HOME).stdout
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def alternating(measurements):
    """Each measurement ROUNDS times, in turn; the medians, by name."""
    results = {name: [] for name in measurements}
    for _ in range(ROUNDS + 1):
        for name, measure in measurements.items():
            results[name].append(measure())
    # The first round warms caches.
    return {name: results[name][1:] for name in results}


def middle(values):
    return tuple(statistics.median(column) for column in zip(*values))


def starts():
    empty = HOME / "empty.rhai"
    empty.write_text("")
    out = HOME / "runs"
    subprocess.run(["rm", "-rf", out])
    numbers = iter(range(1000))
    found = alternating({
        "python -c 'import torch'": lambda: finished([PYTHON, "-c", "import torch"]),
        "ipython, import torch": lambda: prompted(
            [PYTHON, "-m", "IPython", "--no-banner", "-i", "-c", "import torch"], b"In ["),
        "rhobust run empty.rhai": lambda: finished(
            [RHOBUST, "run", empty, "--out", out / str(next(numbers))]),
        "rhobust repl": lambda: prompted([RHOBUST, "repl"], b"1> "),
    })
    medians = {name: middle(values) for name, values in found.items()}
    base = medians["python -c 'import torch'"]
    print("\nstart                          seconds      MiB   of import torch: time, memory")
    for name, (seconds, memory) in medians.items():
        print(f"{name:28} {seconds:9.3f} {memory:8.0f}   {seconds / base[0]:.2f}  {memory / base[1]:.2f}")
    return medians


def operations(plain_tch):
    here = Path(__file__).resolve().parent
    numbers = iter(range(1000))
    out = HOME / "operations"
    subprocess.run(["rm", "-rf", out])
    script = here / "operations.rhai"
    found = alternating({
        "python": lambda: printed([PYTHON, here / "operations.py"]),
        "plain tch": lambda: {"operation": float(subprocess.check_output([plain_tch]))},
        "rhobust": lambda: printed(
            [RHOBUST, "run", script, "--threads", "1", "--out", out / str(next(numbers))]),
    })
    median = lambda name, what: statistics.median(it[what] for it in found[name])
    ours, theirs, floor = (median(name, "operation") for name in ("rhobust", "python", "plain tch"))
    print("\none round of x = x * 0.999 + 0.001, nanoseconds")
    print(f"rhobust {ours:.0f}, python {theirs:.0f} (ratio {ours / theirs:.2f}), "
          f"plain tch {floor:.0f} (ratio {ours / floor:.2f})")
    step, python_step = median("rhobust", "pgd_step"), median("python", "pgd_step")
    print("one PGD update as one function, nanoseconds")
    print(f"rhobust {step:.0f}, python {python_step:.0f} (ratio {step / python_step:.2f})")
    return {"operation": [ours, theirs, floor], "pgd_step": [step, python_step]}


def main():
    HOME.mkdir(parents=True, exist_ok=True)
    install()
    results = {"starts": starts(), "operations": operations(sys.argv[1])}
    (HOME / "session.json").write_text(json.dumps(results, indent=2) + "\n")


main()
