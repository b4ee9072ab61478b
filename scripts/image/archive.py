"""Archives whose bytes depend on names and contents only: sorted, with one owner and one time, by a compressor that is pinned."""

import io
import tarfile
from typing import NamedTuple

import deflate

COMPRESSION_LEVEL = 9


class File(NamedTuple):
    """A file that all users can read, or also run."""

    content: bytes
    runs: bool = False


def tar(files: dict[str, File], time: int = 0) -> bytes:
    """A tar file. There are no entries for directories; those who unpack it own what they unpack."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, file in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(file.content), time, 0o755 if file.runs else 0o644
            archive.addfile(member, io.BytesIO(file.content))
    return packed.getvalue()


def compress(content: bytes) -> bytes:
    """Compresses by gzip, without a name or a time in the header."""
    return deflate.gzip_compress(content, COMPRESSION_LEVEL)
