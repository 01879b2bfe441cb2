"""Charts as SVG that stands in a page: drawn by pygal, coloured by the page's style sheet, told to those who do not see them.

What pygal adds of its own (styles, scripts, the date, texts for pointing at things) is taken out, so the same numbers are
always the same bytes, and a page without scripts and inline styles can hold the picture.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from casetrail.sunlight.published import Number

SVG: Final = "http://www.w3.org/2000/svg"
WIDTH: Final = 800
BAR: Final = 30
MARGIN: Final = 48
COLUMNS_HIGH: Final = 340
MOST_LABELS: Final = 9
STRIDES: Final = (1, 2, 3, 6, 12, 24, 60)
FONT: Final = 13
"""In the units of ``WIDTH``, as the style sheet has it: pygal makes room for labels by it."""

Series = Mapping[str, Sequence["Number"]]
"""The numbers by what they are, those of one label stacked: the first quiet, the second loud, the third pale.

None, what is withheld, is not drawn. Where only one series has numbers, there is no legend.
"""


def bars(name: str, title: str, told: str, labels: Sequence[str], series: Series, *, legend: bool = True) -> str:
    """Bars that lie, one below the other, with their numbers: for things that have names."""
    import pygal

    chart = pygal.HorizontalStackedBar(_config(BAR * len(labels) + MARGIN, series, legend))
    chart.x_labels = list(reversed(labels))  # pygal draws from below
    for what, numbers in series.items():
        chart.add(what, list(reversed(numbers)))
    return _page_svg(chart, name, title, told)


def columns(name: str, title: str, told: str, labels: Sequence[str], series: Series) -> str:
    """Bars that stand, one beside the other: for months."""
    import pygal

    every = next((one for one in STRIDES if len(labels) <= MOST_LABELS * one), len(labels))
    chart = pygal.StackedBar(_config(COLUMNS_HIGH, series, True), show_minor_x_labels=False)
    chart.x_labels = list(labels)
    chart.x_labels_major = list(labels)[::every]
    for what, numbers in series.items():
        chart.add(what, list(numbers))
    return _page_svg(chart, name, title, told)


def _config(height: int, series: Series, legend: bool) -> Any:
    from pygal import Config
    from pygal.style import Style

    sizes = {f"{what}_font_size": FONT for what in ("label", "major_label", "legend", "value")}
    return Config(
        width=WIDTH, height=height, margin=0, margin_right=24, js=(), css=(), style=Style(font_family="x", **sizes),
        no_prefix=True, show_legend=legend and sum(any(one) for one in series.values()) > 1,
        legend_at_bottom=True, legend_at_bottom_columns=len(series),
        legend_box_size=FONT, truncate_label=-1, truncate_legend=-1, disable_xml_declaration=True,
        print_zeroes=False, max_scale=6, value_formatter=_thousands, formatter=_thousands, spacing=9,
    )  # fmt: skip


def _thousands(number: float) -> str:
    return f"{number:,.0f}"


def _page_svg(chart: Any, name: str, title: str, told: str) -> str:
    root = ElementTree.fromstring(chart.render(is_unicode=True))  # noqa: S314  (pygal made it)
    _clean(root)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {
        "viewBox": box, "role": "img", "class": "chart", "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-told",
    }  # fmt: skip
    for place, (tag, text) in enumerate((("title", title), ("desc", told))):
        made = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'told'}"})
        made.text = text
        root.insert(place, made)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _shows_nothing(element: ElementTree.Element, tag: str) -> bool:
    if tag == "rect":
        return not all(float(element.get(side, 0)) for side in ("width", "height"))
    return tag == "g" and len(element) == 0


def _clean(element: ElementTree.Element) -> None:
    for child in list(element):
        tag = child.tag.removeprefix(f"{{{SVG}}}")
        _clean(child)
        if tag in ("defs", "script", "style", "title", "desc") or _shows_nothing(child, tag):
            element.remove(child)
    for attribute in [one for one in element.attrib if one.startswith("on") or one in ("style", "id")]:
        del element.attrib[attribute]
