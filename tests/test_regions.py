"""Boxes and heatmaps."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streammon.alerting import heatmap_png
from streammon.records import AnomalyMap, Box
from streammon.regions import regions

MAPS = arrays(np.float32, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.floats(0, 8, width=32))


def test_boxes_cover_the_regions_in_source_pixels_the_worst_first() -> None:
    anomaly_map = np.zeros((256, 256), np.float32)
    anomaly_map[0:10, 0:20] = 5.0
    anomaly_map[100:102, 200:256] = 9.0
    assert regions(anomaly_map, 5.0, (1920, 1080)) == (
        Box(1500, 421, 420, 10, 9.0),  # x 200 * 7.5; y floor(100 * 4.21875) to ceil(102 * 4.21875) = 431
        Box(0, 0, 150, 43, 5.0),
    )


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    assert len(regions(np.eye(5, dtype=np.float32), 1.0, (5, 5))) == 1


def test_at_most_ten_regions_are_returned() -> None:
    anomaly_map = np.zeros((32, 32), np.float32)
    anomaly_map[::2, ::2] = np.arange(1, 257, dtype=np.float32).reshape(16, 16)
    assert [box.peak for box in regions(anomaly_map, 1.0, (32, 32))] == [float(peak) for peak in range(256, 246, -1)]


def test_below_the_threshold_the_one_box_is_the_top_of_the_highest_hill() -> None:
    anomaly_map = np.array([[0, 4.5, 5, 4, 0, 4.6]], np.float32)
    assert regions(anomaly_map, 6.0, (6, 1)) == (Box(1, 0, 2, 1, 5.0),)


def test_a_map_of_zeros_has_no_region() -> None:
    assert regions(np.zeros((4, 4), np.float32), 1.0, (640, 360)) == ()


@given(MAPS, st.floats(0.125, 10), st.tuples(st.integers(1, 4000), st.integers(1, 4000)))
def test_boxes_lie_in_the_picture_and_the_first_has_the_peak(
    anomaly_map: AnomalyMap, threshold: float, source_size: tuple[int, int]
) -> None:
    boxes = regions(anomaly_map, threshold, source_size)
    assert bool(boxes) == bool(anomaly_map.max() > 0)
    assert [box.peak for box in boxes] == sorted((box.peak for box in boxes), reverse=True)
    for box in boxes:
        assert 0 <= box.x < box.x + box.width <= source_size[0]
        assert 0 <= box.y < box.y + box.height <= source_size[1]
    if boxes:
        assert boxes[0].peak == anomaly_map.max()


def grey_of(anomaly_map: AnomalyMap, threshold: float) -> list[list[int]]:
    png = heatmap_png(anomaly_map, threshold)
    grey = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert grey is not None
    assert grey.dtype == np.uint8
    assert grey.shape == anomaly_map.shape  # one channel
    return [[int(pixel) for pixel in row] for row in grey]


def test_a_heatmap_means_the_same_on_every_camera() -> None:
    anomaly_map = np.array([[0, 1, 2, 4, 40]], np.float32)
    assert grey_of(anomaly_map, 2.0) == grey_of(anomaly_map * 10, 20.0) == [[0, 64, 128, 255, 255]]


def test_a_heatmap_of_a_threshold_of_zero_is_white_where_there_is_anything() -> None:
    assert grey_of(np.array([[0, 0.5]], np.float32), 0.0) == [[0, 255]]
