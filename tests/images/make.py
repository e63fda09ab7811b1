"""Draws the pictures of this folder and prints what Pillow makes of them.

The tests of `src/data` hold the printed numbers: `python3 make.py`, in this folder. Pillow
11.0.0 (libjpeg-turbo 3.0.4) and Pillow 13.0.0 (libjpeg-turbo 3.2.0) print the same.
"""

import struct
import zlib

from PIL import Image

from pattern import fingerprint, pattern, rust


def png(name, width, height, depth, colour, rows, palette=b""):
    """Writes a PNG of a kind that Pillow cannot write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(name, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)))
        if palette:
            file.write(chunk(b"PLTE", palette))
        file.write(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))))
        file.write(chunk(b"IEND", b""))


WORDS = [0, 1, 127, 128, 255, 256, 257, 300, 32767, 32768, 40000, 65535]


def words(numbers):
    return b"".join(struct.pack(">H", n) for n in numbers)


image = pattern(37, 29)
image.save("420.jpg", quality=80)
image.save("422.jpg", quality=85, subsampling="4:2:2")
image.save("444.jpg", quality=90, subsampling=0)
image.save("progressive.jpg", quality=80, progressive=True)
image.save("restarts.jpg", quality=80, restart_marker_blocks=2)
image.convert("L").save("grey.jpg", quality=80)
image.convert("CMYK").save("cmyk.jpg", quality=80)
# The same file, its Adobe marker now saying that the samples are YCCK.
data = bytearray(open("cmyk.jpg", "rb").read())
data[data.index(b"Adobe") + 11] = 2
open("ycck.jpg", "wb").write(data)
exif = Image.Exif()
exif[0x0112] = 6  # "turn this picture by 90 degrees", which torchvision's loader ignores
image.save("turned.jpg", quality=80, exif=exif)

image.save("rgb.png")
rgba = image.convert("RGBA")
rgba.putalpha(image.convert("L"))
rgba.save("rgba.png")
image.convert("L").save("grey.png")
image.convert("LA").save("grey_alpha.png")
image.quantize(16).save("palette.png", transparency=3)
image.convert("1").save("bits.png")
png("grey2.png", 8, 1, 2, 0, [bytes([0b00011011, 0b11100100])])
png("grey16.png", 12, 1, 16, 0, [words(WORDS)])
png("grey_alpha16.png", 6, 1, 16, 4, [words(WORDS)])
png("rgb16.png", 4, 1, 16, 2, [words(WORDS)])

print("decode.rs:")
for name in (
    "420.jpg 422.jpg 444.jpg progressive.jpg restarts.jpg grey.jpg cmyk.jpg ycck.jpg turned.jpg "
    "rgb.png rgba.png grey.png grey_alpha.png palette.png bits.png grey2.png grey16.png "
    "grey_alpha16.png rgb16.png"
).split():
    decoded = Image.open(name).convert("RGB")
    print(f'    ("{name}", {decoded.size}, {rust(fingerprint(decoded.tobytes()))}),')

print("resize.rs:")
print(list(pattern(5, 4).resize((3, 2), Image.BILINEAR).tobytes()))
for old, new in [
    ((64, 48), (23, 17)),
    ((23, 17), (64, 48)),
    ((40, 30), (40, 11)),
    ((40, 30), (11, 30)),
    ((40, 30), (40, 30)),
    ((300, 7), (5, 90)),
]:
    both = [pattern(*old).resize(new, mode) for mode in (Image.BILINEAR, Image.BICUBIC)]
    both = ", ".join(rust(fingerprint(resized.tobytes())) for resized in both)
    print(f"    ({old}, {new}, [{both}]),")

print("transform.rs:")
for (width, height), side in [((300, 200), 224), ((131, 257), 96), ((90, 75), 32), ((40, 51), 70)]:
    # torchvision's Resize and CenterCrop.
    shorter = 256 * side // 224 if side > 64 else side
    if width <= height:
        size = (shorter, int(shorter * height / width))
    else:
        size = (int(shorter * width / height), shorter)
    left, top = (round((length - side) / 2.0) for length in size)
    cut = pattern(width, height).resize(size, Image.BILINEAR).crop((left, top, left + side, top + side))
    print(f"    (({width}, {height}), {side}, {rust(fingerprint(cut.tobytes()))}),")
