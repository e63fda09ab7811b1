"""Small whole files of each kind, for the targets to begin with; `make fuzz` calls it.

    python3 tests/fuzz/seeds.py target/release/rhobust target/fuzz/seeds
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile

PROGRAM, SEEDS = (pathlib.Path(it).resolve() for it in sys.argv[1:3])
IMAGES = pathlib.Path(__file__).parent.parent / "images"

SCRIPT = """
import "std/train" as train;
import "std/evaluate" as evaluate;
let p = params(#{ weights: "first/w.safetensors" });
let data = dataset("shapes", #{ train: 4, test: 3 });
let model = sequential([AvgPool2d(16), Flatten(), Linear(12, data.classes)]);
model.load(p.weights);
train::fit(model, data.train, #{
    optimizer: sgd(model, #{ lr: 0.05, momentum: 0.9 }), epochs: 2, batch_size: 2,
});
evaluate::errors(model, data.test, #{ attack: pgd(#{ eps: 0.03, steps: 1 }) });
save_tensors("x.safetensors", #{ a: zeros([2]), b: tensor([true, false]), c: tensor([7]) });
"""

INPUTS = [
    'let x = train::fit(model, #{ epochs: 1, attack: "p',
    "[1, 2.5e-3].map(|x| x ** 2)",
    '`a ${b + `c ${d}`} "e`',
    "/* a /* b */ c */ // d\n:help pg",
    "?pgd\nmodel.forward(x).",
    ':load "src/',
    "'\\u{1F600}' + \"\\x41\\t\" + #\"raw \"text\"#",
]

VALUES = ["8/255", "[0.1, 1e-3]", "true", "-9223372036854775808", "nan", '["a","b"]', "1.5h", "512M", ""]


def seed(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(content)


def weights(tensors):
    """A weight file without a hash, as other programs write them."""
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header


def npy(kind, shape, entries):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + entries


def rhobust(folder, *words):
    # Records tell how the program was called; where it lies here is nobody's business.
    called = ["rhobust", *words]
    subprocess.run(called, executable=PROGRAM, cwd=folder, check=True, capture_output=True)


def from_a_run(folder):
    """What only a run writes: checkpoint, ledger, record, list of inputs, weights."""
    (folder / "main.rhai").write_text(SCRIPT)
    # The network's own weights, so that the run has an input.
    first = 'sequential([AvgPool2d(16), Flatten(), Linear(12, 10)]).save("w.safetensors");'
    (folder / "first.rhai").write_text(first)
    (folder / "grid.rhai").write_text("params(#{ epochs: 3 });")
    for script, out in [("first.rhai", "first"), ("main.rhai", "run")]:
        options = ["--out", out, "--checkpoint-every", "1", "--device", "cpu"]
        rhobust(folder, "run", script, *options)
    run = folder / "run"
    seed("record", "record.json", (run / "record.json").read_bytes())
    seed("inputs", "inputs.csv", (run / "inputs.csv").read_bytes())
    seed("safetensors", "hashed", (run / "x.safetensors").read_bytes())
    ledger = next(run.glob("ledger/*/*.parquet")).read_bytes()
    length = struct.unpack("<I", ledger[-8:-4])[0]
    at = len(ledger) - 8 - length
    # Without its hash, which the target puts there.
    seed("ledger", "ledger", ledger[: at - 32] + ledger[at:])
    grid = ["--grid", "epochs=1,2", "--grid", "seed=0..2"]
    rhobust(folder, "sweep", "grid.rhai", *grid, "--out", "swept")
    seed("sweep", "sweep.json", (folder / "swept" / "sweep.json").read_bytes())
    rhobust(folder, "pack", "run", "--out", "a.rhobust")
    recipe = folder / "a.rhobust"
    seed("recipe", "recipe", recipe.read_bytes())
    with zipfile.ZipFile(recipe) as archive:
        names = ("recipe.json", "expected.json")
        lines = [json.dumps(json.loads(archive.read(name))) for name in names]
        lines.append(archive.read("inputs.csv").decode())
        seed("recipe_inside", "recipe", "\n".join(lines))
    files = [it for it in run.glob("checkpoints/**/*") if it.is_file()]
    seed("checkpoint", "checkpoint", min(files).read_bytes()[:-32])


def main():
    for picture in IMAGES.iterdir():
        if picture.suffix in (".jpg", ".png"):
            seed("image", picture.name, picture.read_bytes())
    entry = '[{"key": KEY, "width": 2, "height": 2, "at": 0, "crc": 0}]'
    seed("cache", "index", entry)
    seed("real_json", "three", "[[3, 4], [], [0]]")
    seed("npy", "images", b"\4" + npy("|u1", "(15, 32, 32, 3)", b""))
    seed("npy", "labels", b"\0" + npy("<i8", "(3,)", struct.pack("<3q", 3, 9, 0)))
    seed("cifar", "ten", b"\0\3" + bytes(3072))
    seed("cifar", "hundred", b"\1\0\7" + bytes(3072))
    seed("cifar", "names", b"\3" + "\n".join("abcdefghij").encode())
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    seed("safetensors", "plain", weights({"a": tensor}) + bytes(16))
    for number, text in enumerate(INPUTS):
        seed("repl", str(number), text)
    for number, text in enumerate(VALUES):
        seed("parameters", str(number), text)
    with tempfile.TemporaryDirectory() as folder:
        from_a_run(pathlib.Path(folder))


if __name__ == "__main__":
    main()
