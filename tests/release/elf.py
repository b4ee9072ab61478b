"""Reads the header of a 64-bit little-endian ELF file."""

import struct
from typing import NamedTuple

MACHINES = {62: "x86_64", 183: "aarch64"}
INTERPRETER, DYNAMIC = 3, 2
NEEDED = 1


class Elf(NamedTuple):
    """Its processor, and whether it needs a dynamic linker or libraries."""

    processor: str
    is_static: bool


def read(content: bytes) -> Elf:
    assert content[:6] == b"\x7fELF\x02\x01", content[:6]
    machine, = struct.unpack_from("<H", content, 18)
    start, = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = [struct.unpack_from("<IIQQQQ", content, start + index * size) for index in range(count)]
    tags = [struct.unpack_from("<Q", content, offset + place)[0]
            for kind, _, offset, _, _, length in segments if kind == DYNAMIC for place in range(0, length, 16)]
    has_interpreter = any(kind == INTERPRETER for kind, *_ in segments)
    return Elf(MACHINES[machine], not has_interpreter and NEEDED not in tags)
