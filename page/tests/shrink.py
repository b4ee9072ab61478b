"""Rewrites PNG files with a palette of 256 colors, which makes pictures of pages smaller."""

import sys

from PIL import Image

for name in sys.argv[1:]:
    with Image.open(name) as picture:
        small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(name, optimize=True)
