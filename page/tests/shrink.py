"""Rewrites PNG files with a palette of 128 colors, which makes pictures of pages a third as large."""

import sys

from PIL import Image

for name in sys.argv[1:]:
    with Image.open(name) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(name, optimize=True)
