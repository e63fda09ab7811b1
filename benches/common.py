"""What the benchmarks share: Python's side, installed once, and programs that take turns."""

import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"
HOME = ROOT / "target" / "bench"
# A Python of one's own that has the packages already.
PYTHON = Path(os.environ.get("PYTHON", HOME / "python" / "bin" / "python"))
RHOBUST = Path(os.environ.get("RHOBUST", ROOT / "target" / "release" / "rhobust"))
THREADS = os.environ.get("THREADS", str(len(os.sched_getaffinity(0))))
PACKAGES = ["torch==2.11.0", "torchvision==0.26.0", "numpy", "safetensors", "torchattacks"]


def install():
    HOME.mkdir(parents=True, exist_ok=True)
    if "PYTHON" in os.environ:
        return
    if not PYTHON.exists():
        venv.create(PYTHON.parent.parent, with_pip=True)
    probe = "import torch, torchvision, torchattacks, safetensors, numpy"
    if subprocess.run([PYTHON, "-c", probe], capture_output=True).returncode != 0:
        print("installing", *PACKAGES, "for the comparison ...", flush=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def said(command):
    """What a program prints, as pairs of a word and what follows it."""
    environment = dict(os.environ, THREADS=THREADS)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          cwd=HOME, env=environment)
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stderr}")
    lines = (line.split() for line in done.stdout.splitlines())
    return [(line[0], line[1]) for line in lines if len(line) == 2]


def numbers(command):
    """The numbers after `ms` in what a program prints."""
    return [float(value) for word, value in said(command) if word == "ms"]


def printed(command):
    """The numbers that a program prints, by the word before each."""
    found = {}
    for word, value in said(command):
        try:
            found[word] = float(value)
        except ValueError:
            pass
    return found


def median(runs, word):
    return statistics.median(run[word] for run in runs)


def rhobust(script, **settings):
    """The command that runs a script of this folder without keeping anything."""
    pairs = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [RHOBUST, "run", HERE / script, "--threads", THREADS, *pairs]


def alternating(programs, rounds):
    """Each program `rounds` times, in turn; the medians of all it printed, by name."""
    found = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            found[name] += numbers(command)
    return {name: statistics.median(values) for name, values in found.items()}
