"""Tags of image files that FFmpeg's decoders don't pass on: EXIF orientation, and how a TIFF is stored.

EXIF data is a TIFF structure (TIFF 6.0, section 2), so one reader serves both. Broken data has no tags.
"""

import struct
from collections.abc import Iterator

TIFF_PREFIXES = (b"II*\0", b"MM\0*")
EXIF_PREFIX = b"Exif\0\0"

ORIENTATION = 0x0112
COMPRESSION = 0x0103
PHOTOMETRIC = 0x0106
TILE_WIDTH = 0x0142

LONG = 4  # type of a field of 32 bits; the tags read here have 16 bits otherwise


def exif_orientation(encoded: bytes) -> int:
    """EXIF orientation of a JPEG, PNG, WebP or TIFF, 1 to 8; 1, as stored, without a valid one."""
    found = tiff_tag(_exif_data(encoded), ORIENTATION)
    return found if found is not None and 1 <= found <= 8 else 1


def tiff_tag(structure: bytes, tag: int) -> int | None:
    """First value of a tag in the first directory of a TIFF structure; None without it.

    >>> tiff_tag(bytes.fromhex("4d4d002a 00000008 0001 0112 0003 00000001 0006 0000"), ORIENTATION)
    6
    """
    order = ">" if structure.startswith(b"MM") else "<"
    try:
        (directory,) = struct.unpack_from(order + "I", structure, 4)
        (entries,) = struct.unpack_from(order + "H", structure, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            name, kind = struct.unpack_from(order + "HH", structure, entry)
            if name == tag:
                return int(struct.unpack_from(order + ("I" if kind == LONG else "H"), structure, entry + 8)[0])
    except struct.error:  # cut short, or an offset beyond the end
        pass
    return None


def _exif_data(encoded: bytes) -> bytes:
    """The TIFF structure with an image's EXIF data; empty without one."""
    if encoded.startswith(TIFF_PREFIXES):
        return encoded
    for name, content in _parts(encoded):
        if name in (b"eXIf", b"EXIF") or (name == b"\xe1" and content.startswith(EXIF_PREFIX)):
            return content.removeprefix(EXIF_PREFIX)
    return b""


def _parts(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each segment of a JPEG before its picture, or of each chunk of a PNG or WebP."""
    if encoded.startswith(b"\xff\xd8"):
        at = 2
        while encoded[at : at + 1] == b"\xff" and encoded[at + 1 : at + 2] != b"\xda":
            length = int.from_bytes(encoded[at + 2 : at + 4])
            yield encoded[at + 1 : at + 2], encoded[at + 4 : at + 2 + length]
            at += 2 + length
    elif encoded.startswith(b"\x89PNG"):
        at = 8
        while at + 8 <= len(encoded):
            length = int.from_bytes(encoded[at : at + 4])
            yield encoded[at + 4 : at + 8], encoded[at + 8 : at + 8 + length]
            at += 12 + length
    elif encoded.startswith(b"RIFF"):
        at = 12
        while at + 8 <= len(encoded):
            length = int.from_bytes(encoded[at + 4 : at + 8], "little")
            yield encoded[at : at + 4], encoded[at + 8 : at + 8 + length]
            at += 8 + length + length % 2
