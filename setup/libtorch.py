"""Puts libtorch into `.libtorch`, or says in one sentence why it cannot be used.

    python3 setup/libtorch.py            fetch what is missing; a complete folder is left alone
    python3 setup/libtorch.py --check    fetch nothing, only judge what is there

`make` calls this before every build, so the usual case, all is there, takes a fraction of
a second and no network. What must be there is not noted in a stamp of our own: pip leaves
a RECORD of each package's files and sizes, and a folder is complete when they agree.

A download goes into `.libtorch.partial`, is compared with its RECORDs, and takes its place
by one rename. So `.libtorch` is whole whenever it was fetched by us, however a download
ended, and the next call clears away what an interrupted one left. A lock keeps two calls
apart; pip inherits it, so that it also holds while a pip goes on whose parent was killed.
"""

import argparse
import csv
import fcntl
import glob
import importlib.util
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "setup" / "libtorch.txt"

# Only these folders of the packages matter to a C++ program.
NEEDED = ("torch/lib/", "torch/include/", "nvidia/")
# Comes with the CUDA libraries and never without them.
CUDA_PACKAGE = "nvidia_cudnn_cu*.dist-info"
# Gigabytes free that a fetch needs: archives and unpacked files, side by side.
SPACE = {"cpu": 2.5, "cuda": 9.0}
PYTHONS = ((3, 10), (3, 14))


class Refused(Exception):
    """What stands in the way, as one sentence for the user."""


def wanted_packages():
    """The packages of `libtorch.txt` and their versions."""
    pins = re.findall(r"^([\w-]+)==([\w.]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    return dict(pins)


def found_version(libtorch):
    """The version of the libtorch in this folder, or None where nothing tells it.

    A wheel says it in version.py, the archive of pytorch.org in build-version.
    """
    for name, pattern in (("version.py", r"__version__ = '(.*)'"), ("build-version", r"(\S+)")):
        file = libtorch / name
        if file.is_file():
            match = re.search(pattern, file.read_text())
            if match:
                return match[1]
    return None


def same_version(found, wanted):
    """Whether both are one release; `+cu130` and the like name the build, not the release."""
    return found is not None and found.partition("+")[0] == wanted


def what_is_amiss(folder, packages):
    """The first thing that keeps the folder from being complete, or None."""
    for package, version in packages.items():
        record = folder / f"{package.replace('-', '_')}-{version}.dist-info" / "RECORD"
        if not record.is_file():
            return f"{package} {version} is not in it"
        with record.open(newline="") as lines:
            for path, _, size in csv.reader(lines):
                if not size or not path.startswith(NEEDED):
                    continue
                try:
                    found = os.stat(folder / path).st_size
                except OSError:
                    return f"{path} is missing"
                if found != int(size):
                    return f"{path} has {found} bytes instead of {size}"
    return None


def has_gpu():
    return bool(
        glob.glob("/dev/nvidia[0-9]*")
        or os.path.exists("/proc/driver/nvidia/version")
        or shutil.which("nvidia-smi")
    )


def has_cuda(folder):
    return any(folder.glob(CUDA_PACKAGE))


def remove(path):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def shown(path):
    """The path as a user in the project folder would type it."""
    try:
        return str(path.relative_to(PROJECT))
    except ValueError:
        return str(path)


def say(message):
    print(f"libtorch: {message}", flush=True)


def fetch(folder, packages, cuda, lock):
    """Downloads the packages by pip and puts them in the place of `folder`."""
    version = packages["torch"]
    kind = "cuda" if cuda else "cpu"
    if importlib.util.find_spec("pip") is None:
        raise Refused(
            f"{sys.executable} has no pip to fetch it with: install pip (on Debian, "
            f"`apt install python3-pip`), or let LIBTORCH name a libtorch {version}"
        )
    partial = folder.with_name(folder.name + ".partial")
    remove(partial)
    free = shutil.disk_usage(folder.parent).free / 1e9
    if free < SPACE[kind]:
        raise Refused(
            f"fetching it needs {SPACE[kind]} GB of disk and {folder.parent} has "
            f"{free:.1f} GB left: make room, or let LIBTORCH name a libtorch {version}"
        )
    say(
        f"fetching torch {version} with all CUDA libraries into {shown(folder)}, "
        "2.7 GB to download; this happens once"
        if cuda
        else f"fetching torch {version} for the CPU into {shown(folder)}, "
        "0.5 GB to download; this happens once"
    )

    # pip's own temporary files go beside the rest: they are large, /tmp may be small, and
    # they are cleared away together.
    (partial / "tmp").mkdir(parents=True)
    packages_folder = partial / "packages"
    command = [sys.executable, "-m", "pip", "install", "--only-binary=:all:", "--no-compile"]
    command += ["--no-warn-conflicts", "--target", str(packages_folder)]
    command += ["--requirement", str(REQUIREMENTS)] + ([] if cuda else ["--no-deps"])
    environment = dict(
        os.environ,
        TMPDIR=str(partial / "tmp"),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_ROOT_USER_ACTION="ignore",
        # A user's settings that do not go together with --target.
        PIP_REQUIRE_VIRTUALENV="0",
        PIP_USER="0",
    )
    try:
        status = subprocess.run(command, env=environment, pass_fds=[lock.fileno()]).returncode
        if status != 0:
            raise Refused(why_pip_failed(status, version))
        amiss = what_is_amiss(packages_folder, packages)
        if amiss:
            raise Refused(f"what pip fetched is not complete, {amiss}: call make again")
        remove(folder)
        packages_folder.rename(folder)
    finally:
        remove(partial)
    say(f"torch {version} is in {shown(folder)}")


def why_pip_failed(status, version):
    running = sys.version_info[:2]
    if status < 0:
        return f"pip was ended by signal {-status}: call make again"
    if not PYTHONS[0] <= running <= PYTHONS[1]:
        first, last, this = (".".join(map(str, each)) for each in (*PYTHONS, running))
        return (
            f"pip could not fetch torch {version}, which is built for Python {first} to {last} "
            f"and {sys.executable} is {this}: `make PYTHON=...` takes another one"
        )
    return (
        f"pip could not fetch torch {version} for {platform.machine()} (its message is above): "
        "call make again, or let LIBTORCH name an installed one"
    )


def ensure_folder(folder, packages, gpu, check_only):
    """Leaves a complete libtorch in `folder`."""
    wanted = packages["torch"]
    # `make GPU=1` asks for the CUDA libraries; without a word a first fetch goes by the
    # machine and a later call leaves what was chosen then.
    with open(folder.with_name(folder.name + ".lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another call that is fetching it")
            fcntl.flock(lock, fcntl.LOCK_EX)

        if not folder.exists():
            amiss = "it is not there"
        else:
            found = found_version(folder / "torch")
            if found and not same_version(found, wanted):
                raise Refused(
                    f"{shown(folder)} holds {found}, but rhobust needs {wanted}: "
                    f"remove it (`rm -r {shown(folder)}`) and call make again"
                )
            amiss = what_is_amiss(folder, packages)
        if not amiss and gpu == "1" and not has_cuda(folder):
            amiss = "it lacks the CUDA libraries"

        if amiss and check_only:
            raise Refused(f"{shown(folder)} cannot be used, {amiss}: `make libtorch` fetches it")
        if amiss:
            if folder.exists():
                say(f"{shown(folder)} is not complete, {amiss}")
            cuda = has_gpu() or has_cuda(folder) if gpu == "auto" else gpu == "1"
            fetch(folder, packages, cuda, lock)
        elif gpu == "auto" and has_gpu() and not has_cuda(folder):
            say(
                f"{shown(folder)} serves the CPU only, and this machine has an NVIDIA GPU: "
                "`make libtorch GPU=1` fetches the CUDA libraries"
            )


def check_installed(libtorch, who, wanted, remedy):
    """Checks a libtorch of the user's own, which `who` names."""
    for part in ("lib/libtorch_cpu.so", "lib/libc10.so", "include/torch"):
        if not (libtorch / part).exists():
            raise Refused(f"{who} {libtorch}, where {part} is missing: {remedy}")
    found = found_version(libtorch)
    if not same_version(found, wanted):
        raise Refused(
            f"{who} {libtorch}, which holds {found or 'a libtorch of unknown version'}, "
            f"but rhobust needs {wanted}: {remedy}"
        )


def check_libtorch(value, wanted):
    """Checks the libtorch that LIBTORCH names."""
    remedy = f"let LIBTORCH name a libtorch {wanted}, or unset it and make fetches one"
    if not value:
        raise Refused(f"LIBTORCH is set, but empty: {remedy}")
    if not os.path.isabs(value):
        raise Refused(f"LIBTORCH must be an absolute path, got {value}: {remedy}")
    check_installed(pathlib.Path(value), "LIBTORCH names", wanted, remedy)


def check_pytorch(value, wanted):
    """Checks the PyTorch that LIBTORCH_USE_PYTORCH asks for, found as torch-sys finds it."""
    remedy = f"install torch {wanted} there, or unset the variable and make fetches one"
    if value != "1":
        raise Refused(
            f"LIBTORCH_USE_PYTORCH must be 1 or unset, got `{value}` "
            "(torch-sys takes every value for a yes)"
        )
    python = "python" if "VIRTUAL_ENV" in os.environ else "python3"
    python = shutil.which(python) or python
    # Importing torch would tell more, and take seconds each time.
    script = "import importlib.util as util; print(util.find_spec('torch').origin)"
    try:
        answer = subprocess.run([python, "-c", script], capture_output=True, text=True)
    except OSError as error:
        raise Refused(f"LIBTORCH_USE_PYTORCH is 1, but {python} does not run ({error}): {remedy}")
    if answer.returncode != 0:
        raise Refused(f"LIBTORCH_USE_PYTORCH is 1, but {python} has no torch: {remedy}")
    libtorch = pathlib.Path(answer.stdout.strip()).parent
    check_installed(libtorch, "LIBTORCH_USE_PYTORCH leads to", wanted, remedy)


def main():
    parser = argparse.ArgumentParser(description="Puts libtorch into .libtorch.")
    parser.add_argument("--check", action="store_true", help="fetch nothing, only judge")
    parser.add_argument(
        "--gpu",
        choices=["auto", "0", "1"],
        default="auto",
        help="with the CUDA libraries (1), without (0), or as the machine has a GPU (auto)",
    )
    parser.add_argument("--folder", type=pathlib.Path, default=PROJECT / ".libtorch")
    options = parser.parse_args()
    packages = wanted_packages()
    folder = options.folder.absolute()
    own = os.environ.get("LIBTORCH")
    try:
        if "LIBTORCH_USE_PYTORCH" in os.environ:
            check_pytorch(os.environ["LIBTORCH_USE_PYTORCH"], packages["torch"])
        elif own is not None and os.path.realpath(own) != os.path.realpath(folder / "torch"):
            check_libtorch(own, packages["torch"])
        else:
            ensure_folder(folder, packages, options.gpu, options.check)
    except Refused as reason:
        sys.exit(f"libtorch: {reason}")
    except OSError as error:
        sys.exit(f"libtorch: {error.filename or folder}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("\nlibtorch: interrupted; the next call fetches it anew")


main()
