"""TIFF files that FFmpeg decodes wrong without an error have their picture, or are refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from streammon.errors import FootageError
from streammon.ingest import clips

WIDTH, HEIGHT = 160, 96


def gradients() -> np.ndarray:
    """(H, W, 3) uint8 RGB: smooth, so that JPEG changes it by little."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([40 + columns, 60 + rows, 200 - columns // 2], -1).astype(np.uint8)


@pytest.mark.parametrize("compression", ["jpeg", "raw", "tiff_lzw", "tiff_deflate", "packbits"])
def test_a_tiff_has_its_picture_whatever_its_compression(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "frame.tif"
    Image.fromarray(gradients()).save(path, compression=compression)
    (frame,) = clips(path)[0].frames((WIDTH, HEIGHT))
    difference = np.abs(frame.picture.astype(int) - gradients())
    assert difference.max() <= 12
    assert difference.mean() < 3


def test_a_tiff_with_tiles_has_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    tifffile.imwrite(path, gradients(), tile=(48, 64), photometric="rgb")
    (frame,) = clips(path)[0].frames((WIDTH, HEIGHT))
    assert np.abs(frame.picture.astype(int) - gradients()).max() <= 6


def test_a_tiff_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    Image.fromarray(gradients()).save(path, compression="jpeg")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(FootageError, match=r"frame\.tif"):
        list(clips(path)[0].frames((WIDTH, HEIGHT)))
