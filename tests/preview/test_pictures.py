"""What a viewer sees: sizes, colours that mean the same everywhere, and pictures nobody else's work disturbs."""

import asyncio
import threading

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from streammon.config import PreviewConfig
from streammon.preview.streams import pictures as pictures_module
from streammon.preview.streams.colours import heat_opacity, heat_rgb, heat_yuv
from streammon.preview.streams.compose import Composer, Heat, Moment, jpeg, matrix_of
from streammon.preview.streams.pictures import STREAMS, LivePictures
from support.numbered_footage import number_in
from support.preview_peers import hot_left, picture_of, rgb_of, score_of


def decoded(encoded: bytes | None) -> NDArray[np.uint8]:
    assert encoded is not None
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8)


def uniform(rgb: tuple[int, int, int], size: tuple[int, int], matrix: int, pixels: str = "yuv420p") -> av.VideoFrame:
    """A picture of one colour, tagged with its matrix as a camera's is."""
    width, height = size
    filled = np.full((height, width, 3), rgb, np.uint8)
    frame = av.VideoFrame.from_ndarray(filled, "rgb24")
    if pixels == "rgb24":
        return frame
    space = Colorspace.ITU709 if matrix == 709 else Colorspace.ITU601
    return frame.reformat(format=pixels, dst_colorspace=space)


def live(cameras: tuple[str, ...] = ("lobby",), **settings: object) -> LivePictures:
    return LivePictures(cameras, PreviewConfig.model_validate(settings))


def test_there_is_no_still_before_the_first_picture_nor_after_the_stream_is_lost() -> None:
    pictures = live()
    assert pictures.still("lobby") is None
    pictures.put_picture("lobby", picture_of(7), 0.0)
    assert number_in(decoded(pictures.still("lobby"))) == 7
    assert pictures.still("lobby", "heatmap") is None  # nobody has scored yet
    pictures.put_score(score_of("lobby", hot_left()))
    assert pictures.still("lobby", "heatmap") is not None
    pictures.clear("lobby")
    assert [pictures.still("lobby", stream) for stream in STREAMS] == [None] * 3


def test_a_wide_picture_is_scaled_to_the_configured_width_and_a_still_to_the_asked_one() -> None:
    pictures = live(width=320)
    pictures.put_picture("lobby", picture_of(1, (960, 540)), 0.0)
    assert decoded(pictures.still("lobby")).shape == (180, 320, 3)
    assert decoded(pictures.still("lobby", width=160)).shape == (90, 160, 3)
    assert decoded(pictures.still("lobby", width=4000)).shape == (540, 960, 3)  # never larger than it is


def test_a_main_stream_is_shown_while_there_is_one_but_alerts_keep_what_was_scored() -> None:
    pictures = live()
    pictures.put_picture("lobby", picture_of(7), 0.0)
    pictures.put_score(score_of("lobby", hot_left()))
    pictures.put_main_picture("lobby", picture_of(8, (640, 480)), 5.0)
    pictures.put_picture("lobby", picture_of(9), 0.1)
    shown, kept = decoded(pictures.still("lobby")), pictures.timed_still("lobby")
    assert (shown.shape, number_in(shown)) == ((480, 640, 3), 8)
    assert kept is not None
    assert (decoded(kept.jpeg).shape, number_in(decoded(kept.jpeg))) == ((240, 320, 3), 9)
    blended = decoded(pictures.still("lobby", "blended", quality=95)).astype(int)
    difference = np.abs(blended - decoded(pictures.still("lobby", quality=95))).mean(axis=2)
    assert difference[130:, :300].mean() > 40  # the map of the sub-stream, over the same half
    assert difference[130:, 340:].mean() < 5
    pictures.clear_main("lobby")
    assert number_in(decoded(pictures.still("lobby"))) == 9


def test_a_main_stream_is_watched_by_whom_it_is_opened_for_and_a_little_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check() -> None:
        pictures = live()
        pictures.put_picture("lobby", picture_of(0), 0.0)
        async with (
            pictures.watching("lobby", "picture", "h264", main=False),
            pictures.watching("lobby", "heatmap", "h264"),
        ):
            assert not pictures.is_main_watched("lobby")
            async with pictures.watching("lobby", "picture", "h264"):
                async with pictures.watching("lobby", "blended", "jpeg"):
                    assert pictures.is_main_watched("lobby")
                assert pictures.is_main_watched("lobby")
            assert pictures.is_main_watched("lobby")  # whoever left may have reloaded the page
            monkeypatch.setattr(pictures_module, "MAIN_LINGER_S", 0.0)
            assert not pictures.is_main_watched("lobby")

    asyncio.run(check())


def test_nobody_pays_for_what_nobody_watches() -> None:
    pictures = live()
    threads = threading.active_count()
    picture = picture_of(1)
    for _ in range(1000):
        pictures.put_picture("lobby", picture, 0.0)
    pictures.put_score(score_of("lobby", hot_left()))
    assert threading.active_count() == threads
    assert pictures.viewers() == {}


def test_a_heatmap_is_seen_where_the_map_is_hot_and_nowhere_else() -> None:
    pictures = live()
    pictures.put_picture("lobby", picture_of(0), 0.0)
    plain = decoded(pictures.still("lobby", "blended", quality=95)).astype(int)
    pictures.put_score(score_of("lobby", hot_left()))
    blended = decoded(pictures.still("lobby", "blended", quality=95)).astype(int)
    difference = np.abs(blended - plain).mean(axis=2)
    assert difference[:, :150].mean() > 40
    assert difference[:, 170:].max() <= 6
    alone = decoded(pictures.still("lobby", "heatmap", quality=95)).astype(int)
    assert alone.shape == plain.shape
    assert np.abs(alone[:, :150] - heat_rgb()[255].astype(int)).max() <= 8
    assert np.abs(alone[:, 170:] - heat_rgb()[0].astype(int)).max() <= 8


def test_the_same_colour_means_the_same_level_on_every_camera() -> None:
    """Cameras with other thresholds, sizes and colour matrices; each map is 1.4 times its threshold."""
    shades = []
    for threshold, size, matrix in ((2.0, (320, 240), 601), (50.0, (1280, 720), 709), (9.0, (640, 480), 709)):
        pictures = live()
        pictures.put_picture("lobby", uniform((90, 90, 90), size, matrix), 0.0)
        pictures.put_score(score_of("lobby", np.full((256, 256), threshold * 1.4, np.float32), threshold))
        shades.append([decoded(pictures.still("lobby", stream)).mean(axis=(0, 1)) for stream in STREAMS])
    assert np.ptp(np.array(shades), axis=0).max() <= 4


def test_the_opening_threshold_is_a_border_and_lightness_only_rises() -> None:
    """Held against OpenCV's CIELAB."""
    lab = cv2.cvtColor((heat_rgb()[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    assert (np.diff(lab[:, 0]) > 0).mean() > 0.95
    assert np.diff(lab[:, 0]).min() > -0.3  # eight bits a colour
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps[127] > 80  # the border: blue to orange
    assert np.delete(steps, 127).max() < 3  # everywhere else, no border
    assert heat_opacity()[:65].max() == 0
    assert (np.diff(heat_opacity().astype(int)) >= 0).all()


@pytest.mark.parametrize("matrix", [601, 709])
def test_the_colours_in_yuv_are_those_ffmpeg_makes(matrix: int) -> None:
    swatches = np.repeat(np.repeat(heat_rgb()[None], 2, axis=0), 2, axis=1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(swatches), "rgb24")
    space = Colorspace.ITU709 if matrix == 709 else Colorspace.ITU601
    planes = frame.reformat(format="yuv444p", dst_colorspace=space, dst_color_range=ColorRange.MPEG).to_ndarray()
    assert np.abs(planes[:, 0, ::2].T.astype(int) - heat_yuv(matrix)).max() <= 1


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "nv12", "rgb24"])
@pytest.mark.parametrize("size", [(320, 240), (1280, 720)])
def test_colours_survive_whatever_the_decoder_gives(pixels: str, size: tuple[int, int]) -> None:
    colour = (180, 60, 90)
    picture = uniform(colour, size, 709 if size[1] >= 720 else 601, pixels)
    shown = Composer("picture", 960).compose(Moment(picture, 0.0))
    assert (shown.format.name, shown.color_range) == ("yuv420p", ColorRange.MPEG)
    assert (
        np.abs(decoded(jpeg(shown, 95)).mean(axis=(0, 1)) - colour).max() <= 5
    )  # another matrix or range is off by 12 and more


def test_grey_and_odd_sized_pictures_are_shown() -> None:
    for frame in (
        av.VideoFrame.from_ndarray(np.full((101, 99), 77, np.uint8), "gray"),
        av.VideoFrame.from_ndarray(np.full((101, 99, 3), 77, np.uint8), "rgb24"),
        av.VideoFrame.from_ndarray(np.full((5, 3, 3), 77, np.uint8), "rgb24"),
    ):
        shown = Composer("blended", 960).compose(Moment(frame, 0.0, Heat(np.zeros((256, 256), np.float32), 1.0)))
        assert shown.width % 2 == shown.height % 2 == 0
        assert abs(rgb_of(shown).mean() - 77) < 4


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("max_width", [320, 160])
def test_the_decoders_picture_stays_as_it_is(stream: str, max_width: int) -> None:
    """The reader scales the same frame for scoring, perhaps at the same time."""
    picture = picture_of(9)
    before = picture.to_ndarray().copy(), picture.pts, picture.colorspace, picture.color_range, picture.color_trc
    shown = Composer(stream, max_width).compose(Moment(picture, 0.0, Heat(hot_left(), 10.0)))
    shown.pts = 12345
    assert shown is not picture
    after = picture.to_ndarray(), picture.pts, picture.colorspace, picture.color_range, picture.color_trc
    assert np.array_equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_an_untagged_picture_is_taken_as_players_take_it() -> None:
    """BT.601 up to standard definition, BT.709 above."""
    assert matrix_of(av.VideoFrame(640, 480)) == 601
    assert matrix_of(av.VideoFrame(1280, 720)) == 709
