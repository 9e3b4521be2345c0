"""The evaluation's page: whole, self-contained, escaped, and right where the report is odd."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.errors import StorageError
from streammon.evaluation.metrics.curves import cut, thinned
from streammon.evaluation.report import write_page
from streammon.evaluation.report.pictures import heat_colours, heatmap_url, picture_url
from streammon.evaluation.report.plots import score_limits
from streammon.evaluation.report.thinning import thinned_timeline
from streammon.evaluation.report.wording import measure_columns
from streammon.evaluation.results import ClipTimeline, Curve, EvaluationReport
from support.evaluation_samples import FRAME_LEVEL, PER_SCENE, PIXEL_LEVEL, sample_report, whole_report

VOID = {"meta", "link", "img", "br"}
LOADING = {"script", "iframe", "object", "embed", "base", "form", "audio", "video", "source", "image"}


class Page(HTMLParser):
    """A page as a browser would see it.

    Attributes:
        tags: Every element with its attributes, in order.
        cells: The text of every `<th>` and `<td>`.
        text: All of its text but the styles.
        unclosed: Elements open at the end, or closed that were not open.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.cells: list[str] = []
        self.text = ""
        self.unclosed: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.unclosed and self.unclosed[-1] == tag:
            self.unclosed.pop()
        else:
            self.unclosed.append("/" + tag)

    def handle_data(self, data: str) -> None:
        if "style" in self.unclosed:
            return
        self.text += data
        if self.unclosed and {"td", "th"} & set(self.unclosed):
            self.cells[-1] += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def written(report: EvaluationReport, folder: Path) -> str:
    return write_page(report, folder).read_text(encoding="utf-8")


def light_report() -> EvaluationReport:
    """The sample without what takes time to draw."""
    return replace(sample_report(), curves=(), timelines=(), worst=())


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(sample_report(), tmp_path_factory.mktemp("report") / "new" / "folder")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_is_one_well_formed_file(page: Page) -> None:
    assert page.unclosed == []


def test_the_page_asks_for_nothing_from_outside(html: str, page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & LOADING
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in html
    assert all(inside.startswith("#") for inside in re.findall(r"url\(([^)]*)\)", html))
    assert "http:" not in html
    assert "https:" not in html
    policy = next(meta["content"] for meta in page.named("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_picture_and_plot_is_described(page: Page) -> None:
    report = sample_report()
    images = page.named("img")
    assert len(images) == 2 * len(report.worst) - 1  # one frame has no anomaly map
    assert all(image["alt"].startswith("Clip ") for image in images)
    svgs = page.named("svg")
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in svgs)
    assert len([svg for svg in svgs if svg.get("role") == "img"]) == 3 + len(report.timelines)


def test_ids_are_unique_and_references_lead_somewhere(html: str, page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [use["href"][1:] for use in page.named("use")] + re.findall(r"url\(#([^)]*)\)", html)
    assert set(references) <= set(ids)


def test_every_figure_is_in_the_tables_as_shown(page: Page) -> None:
    cells = [cell.strip() for cell in page.cells]
    report = sample_report()
    for table in report.measures:
        for column in measure_columns(table):
            assert column.heading in cells
            assert set(column.cells) <= set(cells)
    for row in PER_SCENE.rows:
        assert set(row) <= set(cells)
    for name, fact in report.facts.items():
        assert name in page.text
        assert fact in page.text
    assert FRAME_LEVEL.note in page.text
    assert report.command in page.text


def test_nulls_are_explained(page: Page) -> None:
    for words in ("The same score for every frame", "A seeded random score", "its scene's share of abnormal frames"):
        assert words in page.text


def test_a_partial_evaluation_says_so_and_a_whole_one_does_not(page: Page, tmp_path: Path) -> None:
    assert "PARTIAL" in page.text
    for line in (*sample_report().missing, *sample_report().warnings):
        assert line in page.text
    assert "PARTIAL" not in Page(written(replace(light_report(), missing=()), tmp_path)).text


def test_names_are_text_and_never_markup(html: str, page: Page) -> None:
    assert "03_<b>last</b>" in page.text
    assert "Scene 03 <gate & yard>" in page.text
    assert "Clip 01_<i>&, frame 100" in page.text
    assert not {tag for tag, _ in page.tags} & {"b", "i", "gate"}
    assert "<gate" not in html


def test_a_page_is_the_same_every_time(html: str, tmp_path: Path) -> None:
    assert written(sample_report(), tmp_path) == html


def test_the_users_own_plot_settings_change_nothing(html: str, tmp_path: Path) -> None:
    with matplotlib.rc_context({"text.usetex": True, "font.size": 20, "lines.marker": "o", "axes.grid": True}):
        assert written(sample_report(), tmp_path) == html
        assert matplotlib.rcParams["font.size"] == 20


def test_a_report_of_nothing_is_a_page(tmp_path: Path) -> None:
    page = Page(written(EvaluationReport("empty", "streammon eval", {}), tmp_path))
    assert page.unclosed == []
    assert "empty" in page.text


def test_only_the_nulls_that_are_there_are_explained(tmp_path: Path) -> None:
    text = Page(written(replace(light_report(), measures=(PIXEL_LEVEL,)), tmp_path)).text
    assert "A seeded random score" in text
    assert "share of abnormal frames" not in text


def odd(times: list[float], scores: list[float], labels: list[bool], **thresholds: float) -> ClipTimeline:
    return ClipTimeline("$odd$ clip", "01", np.array(times), np.array(scores), np.array(labels, bool), thresholds)


@pytest.mark.parametrize(
    "timeline",
    [
        odd([], [], []),
        odd([0.0], [3.0], [True]),
        odd([0, 1, 2], [5, 5, 5], [True, True, True]),  # still images: frames counted
        odd([0, 0.5, 1], [float("nan"), float("inf"), 2.0], [False, True, False]),
        odd([0, 0.5, 1], [float("nan")] * 3, [False, True, False], day=float("nan")),
        odd([0, 0.5, 1], [1, 2, 3], [False, True, False], **{"1/day": 4.0, "10/day": 4.0, "$100$/day": 3.99}),
    ],
    ids=["empty", "one frame", "still images", "not finite", "nothing finite", "thresholds that coincide"],
)
def test_odd_clips_are_drawn(timeline: ClipTimeline, tmp_path: Path) -> None:
    page = Page(written(replace(light_report(), timelines=(timeline,)), tmp_path))
    assert page.unclosed == []
    assert "$odd$ clip" in page.text


def test_a_threshold_far_above_the_scores_is_named_and_does_not_flatten_them(tmp_path: Path) -> None:
    timeline = odd([0, 0.5, 1], [1, 2, 3], [False, True, False], **{"1/day": 900.0, "10/day": 4.0})
    low, high = score_limits([timeline])
    assert low < 1
    assert 4 < high < 5
    assert "1/day (900)" in Page(written(replace(light_report(), timelines=(timeline,)), tmp_path)).text


def test_odd_curves_are_drawn(tmp_path: Path) -> None:
    many = [Curve("ROC", f"method {k}", np.array([0, 0.5, 1]), np.array([0, 0.7, 1]), "x", "y") for k in range(30)]
    none = Curve("PRO", "none", np.array([]), np.array([]), "x", "y", 0.3)
    page = Page(written(replace(light_report(), curves=(*many, none)), tmp_path))
    assert page.unclosed == []
    assert "method 29" in page.text


def decoded(url: str) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1])


def test_pictures_keep_their_colours_and_the_outline_runs_around_the_truth() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    shown = decoded(picture_url(replace(whole_report().worst[0], picture=red, mask=mask)))
    assert shown.shape == (128, 128, 3)
    np.testing.assert_allclose(shown[10, 10], (200, 0, 0), atol=12)
    np.testing.assert_allclose(shown[60, 60], (200, 0, 0), atol=12)  # inside, nothing is hidden
    assert shown[36:40, 60].max(axis=0).min() > 150  # white, just above the mask's first row at 40


def test_the_heatmap_has_one_scale_whatever_its_own_range() -> None:
    low, high = (np.full((4, 4), level, np.float32) for level in (-5.0, 99.0))
    np.testing.assert_array_equal(heat_colours(low, (0, 1)), heat_colours(np.zeros((4, 4), np.float32), (0, 1)))
    np.testing.assert_array_equal(heat_colours(high, (0, 1)), heat_colours(np.ones((4, 4), np.float32), (0, 1)))
    strange = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    assert heat_colours(strange, (1.0, 1.0)).shape == (1, 4, 3)
    assert heatmap_url(replace(whole_report().worst[0], anomaly_map=None)) is None


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400),
    most=st.integers(4, 60),
)
def test_a_thinned_timeline_keeps_its_order_and_its_extremes(scores: list[float], most: int) -> None:
    times = np.arange(len(scores)) / 25
    kept_times, kept = thinned_timeline(times, np.array(scores), most)
    assert len(kept) <= most
    assert (np.diff(kept_times) > 0).all()
    assert (kept.min(), kept.max()) == (min(scores), max(scores))
    assert all(scores[round(time * 25)] == score for time, score in zip(kept_times, kept, strict=True))


@given(steps=st.lists(st.floats(0, 1), min_size=2, max_size=300), limit=st.floats(0.05, 1))
def test_a_thinned_curve_lies_on_the_curve_and_ends_at_the_limit(steps: list[float], limit: float) -> None:
    x = np.linspace(0, 1, len(steps))
    y = np.cumsum(steps) / max(sum(steps), 1)
    kept_x, kept_y = thinned(*cut(x, y, limit), 50)
    assert len(kept_x) <= 50
    assert kept_x[0] == 0
    assert kept_x[-1] == pytest.approx(limit)
    np.testing.assert_allclose(kept_y, np.interp(kept_x, x, y), atol=1e-9)


def test_a_page_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("old")
    assert write_page(light_report(), tmp_path) == tmp_path / "index.html"
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert "old" not in (tmp_path / "index.html").read_text()


def test_names_that_are_not_utf8_do_not_stop_the_page(tmp_path: Path) -> None:
    report = EvaluationReport("\udcff", "streammon eval", {}, timelines=(odd([0, 1], [1, 2], [False, True]),))
    assert "<h1>?</h1>" in written(
        replace(report, timelines=(replace(report.timelines[0], clip="\udcff"),)), tmp_path
    )


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    place = tmp_path / "report"
    place.write_text("")
    with pytest.raises(StorageError) as refused:
        write_page(EvaluationReport("t", "c", {}), place)
    assert str(refused.value) == f"{place}/index.html: it can't be written (file exists); choose another --report DIR"


def test_a_page_that_is_a_folder_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(StorageError) as refused:
        write_page(EvaluationReport("t", "c", {}), tmp_path)
    expected = f"{tmp_path}/index.html: it can't be written (is a directory); choose another --report DIR"
    assert str(refused.value) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
