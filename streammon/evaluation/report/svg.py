"""SVG plots by matplotlib for a page with a light and a dark theme.

Plots are drawn in placeholder colours, which are then replaced by the page's CSS variables. Text stays text, in the
page's typeface. Only matplotlib's object-oriented API is used: no pyplot, no state between plots.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Placeholder colours, not used otherwise, and the CSS variable that replaces each.
INK = "#010203"
MUTED = "#010204"
TRUTH = "#010205"
SERIES = tuple(f"#0102{number:02x}" for number in range(16, 22))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    TRUTH: "var(--truth)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)},
}
# "default" first: a user's own matplotlibrc (LaTeX text, other fonts) must not change the report.
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 8.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.parse_math": False,  # dollar signs are shown literally
}


@contextmanager
def page_style() -> Iterator[None]:
    """Context in which plots are drawn in the page's style, whatever the user's own matplotlib settings are."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


class Plot:
    """A small figure with one pair of axes, exported as SVG; to be used within `page_style`.

    Args:
        width: Width of the figure in points; the page scales the figure together with its 8-point text.
        height: Height of the figure in points.
        margins: Margins around the axes in points: left, right, bottom, top.
    """

    def __init__(self, width: float, height: float, margins: tuple[float, float, float, float]) -> None:
        left, right, bottom, top = margins
        self._figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
        box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        self.axes: Axes = self._figure.add_axes(box, facecolor="none")

    def svg(self, name: str, described: str) -> str:
        """The figure as an `<svg>` element for a page.

        Args:
            name: Name of the plot, unique on the page. SVG ids are derived from the name: plots with equal ids would
                all disappear when the first of them is inside a closed `<details>`.
            described: Description of the plot for screen readers.
        """
        drawn = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        with matplotlib.rc_context({"svg.hashsalt": name}):
            FigureCanvasSVG(self._figure)
            self._figure.savefig(drawn, format="svg", metadata=nothing)
        return _for_page(drawn.getvalue(), described)


def _for_page(document: str, described: str) -> str:
    view_box = re.search(r'viewBox="([^"]+)"', document)
    assert view_box is not None
    inner = document[document.index(">", view_box.end()) + 1 :]
    inner = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r'<g id="[^"]*"', "<g", inner)  # names of matplotlib's artists, equal in every plot
    inner = inner.replace("xlink:href", "href")
    inner = re.sub(r' (?:d|x|y)="[^"]*"', _shorter, inner)
    inner = re.sub(r"<defs>\s*</defs>", "", inner)
    inner = re.sub(r' transform="rotate\(-0 [^"]*"', "", inner)
    inner = re.sub(r'(style="[^"]*?)font(?:-family)?: [^;"]*;? ?', r"\1", inner)  # the page's typeface is used
    inner = re.sub(r'(style="[^"]*?)font-size: [^;"]*;? ?', r"\1", inner)
    for colour, variable in _VARIABLES.items():
        inner = inner.replace(colour, variable)
    inner = re.sub(r"\s*\n\s*", "\n", inner)
    return f'<svg class="plot" viewBox="{view_box[1]}" role="img" aria-label="{escape(described)}">{inner.strip()}'


def _shorter(attribute: re.Match[str]) -> str:
    """A path or coordinate in tenths of a point; matplotlib's further five decimals are not visible."""
    text = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), attribute[0])
    return re.sub(r"\s+", " ", text).replace(' "', '"')
