"""Measures the loading of photographs beside torchvision with Pillow, and compares the pixels.

    python3 benches/loading.py FOLDER

FOLDER has photographs in val/<class>/. Called by `make bench PHOTOS=FOLDER`, which has built the
program; torchvision is installed into target/bench, once. Results are written to
target/bench/loading.json, too.

Counted is the processor time of whole programs, of all their threads: with it another program
that runs at the same time does not count. What a pass costs is the difference between some passes
and fewer of them.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benches"
HOME = ROOT / "target" / "bench"
PYTHON = HOME / "python" / "bin" / "python"
RHOBUST = ROOT / "target" / "release" / "rhobust"
PACKAGES = ["torch==2.11.0", "torchvision==0.26.0", "pillow<13", "numpy", "safetensors"]
ROUNDS = 5
PASSES = 3


def install():
    if not PYTHON.exists():
        venv.create(PYTHON.parent.parent, with_pip=True)
    probe = "import torchvision, safetensors, numpy"
    if subprocess.run([PYTHON, "-c", probe], capture_output=True).returncode != 0:
        print("installing", *PACKAGES, "for the comparison ...", flush=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def processor_seconds(command):
    """Of a program that ends by itself, on one core."""
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, cwd=HOME)
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime


def rhobust(script, *settings):
    out = HOME / "loading-run"
    shutil.rmtree(out, ignore_errors=True)
    pairs = [part for setting in settings for part in ("--set", setting)]
    return [RHOBUST, "run", HERE / script, "--threads", "1", "--out", out, *pairs]


def speeds(folder, images):
    cache = HOME / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    data = f"data={folder}"
    kept = ["--allow-write", cache]
    programs = {
        "torchvision": lambda n: [PYTHON, HERE / "loading_torchvision.py", folder / "val", n],
        "rhobust": lambda n: rhobust("loading.rhai", data, f"passes={n}"),
        "rhobust, cache": lambda n: [
            *rhobust("loading.rhai", data, f"passes={n}", f"cache={cache}"), *kept],
    }
    filling = processor_seconds(programs["rhobust, cache"](0))
    found = {name: {"first": [], "later": []} for name in programs}
    for _ in range(ROUNDS):
        for name, command in programs.items():
            none, one, more = (processor_seconds(command(n)) for n in (0, 1, 1 + PASSES))
            found[name]["first"].append(images / (one - none))
            found[name]["later"].append(images * PASSES / (more - one))
    medians = {
        name: {which: statistics.median(values) for which, values in both.items()}
        for name, both in found.items()
    }
    base = medians["torchvision"]["later"]
    print(f"\nimages per second and core    first pass      later   of torchvision's")
    for name, both in medians.items():
        print(f"{name:28} {both['first']:11.0f} {both['later']:10.0f} {both['later'] / base:10.2f}")
    print(f"the cache was filled in {filling:.1f} s of processor time")
    return {"medians": medians, "rounds": found}


def pixels(folder):
    """Runs `compare`, below, where Pillow is."""
    text = subprocess.check_output([PYTHON, __file__, "--compare", folder], text=True)
    print(text, end="")
    return text.splitlines()


def compare(folder):
    import numpy
    from PIL import Image, features
    from safetensors.numpy import load_file
    from torchvision import transforms

    def report(what, differences):
        equal = sum(difference == 0 for difference in differences)
        print(f"{what}: {equal} of {len(differences)} equal, largest difference {max(differences)}")

    def difference(ours, theirs):
        return int(numpy.abs(ours.astype(int) - theirs.astype(int)).max())

    import PIL
    print(f"\nagainst Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}")
    files = sorted((folder / "val").glob("*/*"))
    found = []
    for segment in sorted((HOME / "cache").glob("*.images")):
        stored = segment.read_bytes()
        end = len(stored) - 28
        index = stored[end - int.from_bytes(stored[end:end + 8], "little"):end]
        for entry in json.loads(index):
            with Image.open(folder / entry["key"]["file"]) as image:
                theirs = numpy.asarray(image.convert("RGB"))
            ours = numpy.frombuffer(stored, "uint8", theirs.size, entry["at"])
            found.append(difference(ours.reshape(theirs.shape), theirs))
    assert len(found) == len(files)
    report("decoded", found)

    for interpolation in ("bilinear", "bicubic"):
        for size in (224, 96, 400):
            settings = [f"data={folder}", f"size={size}", f"interpolation={interpolation}"]
            subprocess.run([str(part) for part in rhobust("pixels.rhai", *settings)], check=True,
                           capture_output=True)
            mode = transforms.InterpolationMode(interpolation)
            cut = transforms.Compose([
                transforms.Resize(256 * size // 224, mode), transforms.CenterCrop(size)])
            found = []
            for number in range(-(-len(files) // 100)):
                ours = load_file(HOME / "loading-run" / f"{number}.safetensors")["x"]
                for image, file in zip(ours, files[100 * number:]):
                    with Image.open(file) as opened:
                        theirs = numpy.asarray(cut(opened.convert("RGB")))
                    found.append(difference(image.transpose(1, 2, 0), theirs))
            report(f"{interpolation}, resized and cut to {size}", found)


def main():
    if sys.argv[1] == "--compare":
        compare(Path(sys.argv[2]))
        return
    folder = Path(sys.argv[1]).resolve()
    if not (folder / "val").is_dir():
        print(f"\n{folder}/val is not there: the loading of photographs is not measured")
        return
    HOME.mkdir(parents=True, exist_ok=True)
    install()
    images = sum(1 for _ in (folder / "val").glob("*/*"))
    results = {"speeds": speeds(folder, images), "pixels": pixels(folder)}
    (HOME / "loading.json").write_text(json.dumps(results, indent=2) + "\n")


main()
