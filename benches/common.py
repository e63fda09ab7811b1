"""What the benchmarks share: Python's side, installed once, and programs that take turns."""

import os
import statistics
import subprocess
import sys
import tempfile
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


def run(command):
    """What a program prints, and the most memory that it had, MiB."""
    environment = dict(os.environ, THREADS=THREADS)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors,
                                   cwd=HOME, env=environment)
        _, status, usage = os.wait4(started.pid, 0)
        out.seek(0)
        errors.seek(0)
        if status != 0:
            sys.exit(f"{command} failed:\n{errors.read()}")
        return out.read(), usage.ru_maxrss / 1024


def said(text):
    """Pairs of a word and what follows it, from each line of two words."""
    lines = (line.split() for line in text.splitlines())
    return [(line[0], line[1]) for line in lines if len(line) == 2]


def measured(command):
    """The numbers after `ms` in what a program prints, and the most memory that it had, MiB."""
    text, memory = run(command)
    return [float(value) for word, value in said(text) if word == "ms"], memory


def printed(command):
    """The numbers that a program prints, by the word before each."""
    found = {}
    for word, value in said(run(command)[0]):
        try:
            found[word] = float(value)
        except ValueError:
            pass
    return found


def median(runs, word):
    return statistics.median(run[word] for run in runs)


def rhobust(script, threads=THREADS, **settings):
    """The command that runs a script of this folder without keeping anything."""
    pairs = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    return [RHOBUST, "run", HERE / script, "--threads", str(threads), *pairs]


def alternating(programs, rounds):
    """Each program `rounds` times, in turn; the medians of all it printed, by name."""
    found = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            found[name] += measured(command)[0]
    return {name: statistics.median(values) for name, values in found.items()}
