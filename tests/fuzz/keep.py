"""Keeps, of what `make fuzz` collected, the fewest inputs that reach as much; `make fuzz-keep` calls it.

    python3 tests/fuzz/keep.py target/fuzz

Beneath target/fuzz lie the built targets and `corpus`, `kept` and `seeds`, each with a folder for
each target.
"""

import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile

BASE = pathlib.Path(sys.argv[1]).resolve()
PROGRAMS = list(BASE.glob("*-*-*/release"))
if len(PROGRAMS) != 1:
    sys.exit(f"{BASE}: the targets must be built, for one system")
TARGETS = sorted(it.stem for it in (pathlib.Path(__file__).parent / "fuzz_targets").glob("*.rs"))

archive = pathlib.Path(__file__).parent / "corpus.tar.xz"
written = io.BytesIO()
with tarfile.open(fileobj=written, mode="w:xz", preset=9) as tar:
    for target in TARGETS:
        sources = [BASE / kind / target for kind in ("corpus", "kept", "seeds")]
        with tempfile.TemporaryDirectory() as merged:
            found = [merged, *(it for it in sources if it.is_dir())]
            options = ["-merge=1", "-rss_limit_mb=4096", "-timeout=60"]
            run = subprocess.run(
                [PROGRAMS[0] / target, *options, *found], cwd=BASE, capture_output=True, text=True
            )
            if run.returncode != 0:
                sys.exit(f"{target}: {run.stderr[-2000:]}")
            inputs = sorted(pathlib.Path(merged).iterdir())
            for path in inputs:
                # Without owners and times: the same inputs make the same archive.
                entry = tarfile.TarInfo(f"kept/{target}/{path.name}")
                content = path.read_bytes()
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        print(f"{target}: {len(inputs)} inputs", flush=True)
archive.write_bytes(written.getvalue())
