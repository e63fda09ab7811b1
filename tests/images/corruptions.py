"""Prints what the scripts behind ImageNet-C make of the picture of `data::testing::pattern`.

The tests of `src/data/corruption` hold the printed numbers:

    python3 corruptions.py make_imagenet_c.py make_cifar_c.py

with the two scripts of github.com/hendrycks/robustness (ImageNet-C/create_c) and the package
imagecorruptions installed. None of the three runs on today's libraries as it is; only the names
of functions and modules that have moved are given back to them, no number is changed. The
numbers in the tests are from imagecorruptions 1.1.2 with numpy 2.4.6, scipy 1.17.1,
scikit-image 0.26.0, OpenCV 5.0.0, Pillow 13.0.0 and ImageMagick 6.9.11-60 (through Wand 0.7.2).
"""

import functools
import io
import os
import sys
import types

import numpy as np
import scipy.ndimage
import skimage.color
import skimage.filters
import skimage.util
from PIL import Image

from pattern import fingerprint, pattern, rust

EXACT = "defocus_blur zoom_blur brightness contrast pixelate jpeg_compression gaussian_blur saturate".split()
# Frost needs its pictures.
RANDOM = (
    "gaussian_noise shot_noise impulse_noise glass_blur motion_blur snow fog elastic_transform "
    "speckle_noise spatter"
).split()
SEEDS = 20


def gaussian(image, sigma, multichannel=False, channel_axis=None, **rest):
    axis = -1 if multichannel else channel_axis
    return skimage.filters.gaussian(image, sigma, channel_axis=axis, **rest)


def random_noise(image, **rest):
    # It no longer listens to numpy's global seed.
    return skimage.util.random_noise(image, rng=np.random.default_rng(np.random.randint(2**31)), **rest)


OLD_SKIMAGE = types.SimpleNamespace(color=skimage.color, util=types.SimpleNamespace(random_noise=random_noise))


def shims():
    """Names that the three import and that are gone, or that only their data loaders need."""
    np.float_ = np.float64
    np.fromstring = np.frombuffer
    sys.modules["scipy.ndimage.interpolation"] = scipy.ndimage
    for name in "torch torchvision torchvision.datasets torchvision.transforms torch.utils torch.utils.data".split():
        sys.modules[name] = types.ModuleType(name)
    for name, parts in {"torchvision": ["datasets", "transforms"], "torch.utils": ["data"], "torch": ["utils"]}.items():
        for part in parts:
            setattr(sys.modules[name], part, sys.modules[f"{name}.{part}"])
    sys.modules["torch.utils.data"].Dataset = object
    resources = types.ModuleType("pkg_resources")
    resources.resource_filename = lambda package, name: os.path.join(
        os.path.dirname(sys.modules[package].__file__), name
    )
    sys.modules["pkg_resources"] = resources


def script(path):
    """The functions of a script, without what follows them and makes the data set."""
    source = open(path).read().split("# /////////////// End Distortions")[0]
    names = {"__name__": "script"}
    exec(compile(source, path, "exec"), names)
    names["gaussian"] = gaussian
    names["sk"] = OLD_SKIMAGE
    return lambda name: names[name]


def package():
    import imagecorruptions.corruptions as module

    module.gaussian = functools.wraps(skimage.filters.gaussian)(gaussian)
    module.sk = OLD_SKIMAGE
    return lambda name: getattr(module, name)


def corrupted(function, image, severity):
    return np.uint8(function(image.copy(), severity))


def figures(result, image):
    x, clean = result.astype(float), np.array(image).astype(float)
    return [x.mean(), x.std(), 10 * np.log10(255**2 / ((x - clean) ** 2).mean())]


shims()
imagenet, cifar, any_size = script(sys.argv[1]), script(sys.argv[2]), package()
# scipy asks a torch that is there whether arrays are its own.
del sys.modules["torch"]

print("EXACT:")
for variant, functions, size, severities in [
    # Of zoom blur at severity 1, one value of 150528 differs.
    ("ImagenetC", imagenet, (224, 224), [2, 3, 5]),
    ("Imagecorruptions", any_size, (61, 47), [1, 3, 5]),
    ("Cifar", cifar, (32, 32), [1, 3, 5]),
]:
    for name in EXACT:
        prints = [
            rust(fingerprint(corrupted(functions(name), pattern(*size), severity).tobytes())) for severity in severities
        ]
        print(f'    ({variant}, {size}, "{name}", {severities}, [{", ".join(prints)}]),')

print("RANDOM:")
for variant, functions, size, names, severities in [
    # The others are the same in the package.
    ("ImagenetC", imagenet, (224, 224), ["motion_blur", "snow", "elastic_transform"], [2]),
    ("Imagecorruptions", any_size, (96, 80), RANDOM, [2, 5]),
    ("Cifar", cifar, (32, 32), RANDOM, [1, 5]),
]:
    for name in names:
        for severity in severities:
            rows = []
            for seed in range(SEEDS):
                np.random.seed(seed)
                image = pattern(*size)
                rows.append(figures(corrupted(functions(name), image, severity), image))
            mean, sd = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
            pair = lambda i: f"({mean[i]:.3f}, {sd[i]:.3f})"  # noqa: E731
            print(f'    ({variant}, {size}, "{name}", {severity}, [{pair(0)}, {pair(1)}, {pair(2)}]),')

print("motion.rs, by ImageMagick itself:")
for width, height, radius, sigma, angle in [(23, 17, 6, 2, 30), (23, 17, 10, 3, -45), (40, 9, 12, 8, -100), (7, 30, 15, 5, 12)]:
    # From PNG to PNG, as in the scripts: otherwise ImageMagick rounds where it cuts here.
    file = io.BytesIO()
    pattern(width, height).save(file, format="PNG")
    moved = cifar("MotionImage")(blob=file.getvalue())
    moved.motion_blur(radius, sigma, angle)
    moved = np.array(Image.open(io.BytesIO(moved.make_blob())).convert("RGB"))
    print(f"    ({width}, {height}, {radius}, {sigma:.1f}, {angle:.1f}, {rust(fingerprint(moved.tobytes()))}),")
