"""The picture of the tests and how they compare pictures."""

from PIL import Image


def pattern(width, height):
    """The picture of `data::testing::pattern`."""
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            square = 200 if (x // 3 + y // 2) % 2 == 0 else 30
            image.putpixel((x, y), (square, 255 * x // width, (7 * x + 13 * y + x * y) % 256))
    return image


def fingerprint(data):
    """FNV-1a of 64 bits."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def rust(number):
    digits = f"{number:016x}"
    return "0x" + "_".join(digits[i : i + 4] for i in range(0, 16, 4))
