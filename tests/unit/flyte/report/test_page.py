"""The page of a report, read as a browser reads it."""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte import errors
from flyte.report import Report, _page


@dataclass
class Page(HTMLParser):
    """What a page is made of: its elements with their attributes, and its frames' documents."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def frames(self) -> list[str]:
        return [frame["srcdoc"] or "" for frame in self.all("iframe")]


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def report(**tabs: str) -> Report:
    made = Report("Training")
    for name, content in tabs.items():
        made.get_tab(name).log(content)
    return made


def page_of(made: Report) -> Page:
    text = made.get_final_report()
    assert isinstance(text, str)
    return read(text)


HOSTILE = [
    "</iframe><h1>out</h1>",
    '"></iframe><script>parent.document.title = "mine"</script>',
    "<!-- never closed",
    "<style>body { display: none }",
    "<script>document.body.innerHTML = ''</script>",
    "<textarea><template><svg><![CDATA[",
    "</body></html><meta charset=utf-16>",
    "&quot;&gt;&lt;/iframe&gt;",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_tab_cannot_break_another(hostile: str) -> None:
    quiet = page_of(report(first="<p>one</p>", second="<p>two</p>", third="<p>three</p>"))
    page = page_of(report(first="<p>one</p>", second=hostile, third="<p>three</p>"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in quiet.elements]
    assert [page.frames[0], page.frames[2]] == [quiet.frames[0], quiet.frames[2]]
    assert hostile in page.frames[1], "what was logged is shown as it was logged"


@given(st.text(), st.text(min_size=1))
def test_any_text_stays_in_its_frame(content: str, name: str) -> None:
    made = Report(content)
    made.get_tab(name).log(content + "x")
    page = page_of(made)
    assert len(page.frames) == 1
    assert (content + "x") in page.frames[0]


def test_each_frame_has_an_origin_of_its_own() -> None:
    for frame in page_of(report(main="<p>a</p>", more="<p>b</p>")).all("iframe"):
        allowed = (frame["sandbox"] or "").split()
        assert "allow-scripts" in allowed, "charts need them"
        assert "allow-same-origin" not in allowed, "they would reach the page and the console"
        assert not any("top-navigation" in each for each in allowed)


def test_names_are_text() -> None:
    made = Report("<b>Loss & </title><script>")
    made.get_tab('<i>"x"</i>').log("<p>a</p>")
    page = page_of(made)
    assert page.texts["h1"] == ["<b>Loss & </title><script>"]
    assert page.texts["title"] == ["<b>Loss & </title><script>"]
    assert page.texts["button"] == ['<i>"x"</i>']
    assert page.all("iframe")[0]["title"] == '<i>"x"</i>'
    assert len(page.all("script")) == 1


def test_tabs_can_be_used_without_eyes_and_without_a_mouse() -> None:
    page = page_of(report(main="<p>a</p>", more="<p>b</p>"))
    (tablist,) = (attrs for _, attrs in page.elements if attrs.get("role") == "tablist")
    assert tablist["aria-label"]
    tabs = page.all("button")
    panels = [attrs for _, attrs in page.elements if attrs.get("role") == "tabpanel"]
    assert [tab["aria-controls"] for tab in tabs] == [panel["id"] for panel in panels]
    assert [panel["aria-labelledby"] for panel in panels] == [tab["id"] for tab in tabs]
    assert all(frame["title"] for frame in page.all("iframe"))
    assert page.all("html")[0]["lang"]
    for key in ("ArrowRight", "ArrowLeft", "Home", "End"):
        assert key in "".join(page.texts["script"])


def test_without_scripts_all_panels_are_shown_under_headings() -> None:
    page = page_of(report(main="<p>a</p>", more="<p>b</p>"))
    assert page.texts["h2"] == ["main", "more"]
    assert not any("hidden" in attrs for attrs in page.all("section"))


def test_nothing_is_fetched_from_elsewhere() -> None:
    text = report(main="<p>a</p>").get_final_report()
    assert isinstance(text, str)
    assert not re.search(r"(?:src|href)=[\"']|https?://|//[a-z]|@import|url\(", text)


def test_it_fits_a_phone_and_the_night() -> None:
    page = page_of(report(main="<p>a</p>"))
    metas = {each.get("name"): each.get("content") for each in page.all("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert "prefers-color-scheme: dark" in "".join(page.texts["style"])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<table><tr><td>1</td></tr></table>", "plain"),
        ("<p>the background of it</p>", "paper"),
        ('<p style="color: #222">dark text</p>', "paper"),
        ("<svg><path d='M0 0'/></svg>", "paper"),
        ("<img src='data:image/png;base64,AA=='>", "paper"),
        ("<style>@media (prefers-color-scheme: dark) { p { color: #fff } }</style>", "plain"),
        ("<script>draw()</script>", "paper"),
    ],
)
def test_html_with_colours_of_its_own_lies_on_paper(content: str, kind: str) -> None:
    """Dark text on a dark ground cannot be read; nobody knows better than the HTML whether it has thought of that."""
    page = page_of(report(main=content))
    assert page.all("iframe")[0]["class"] == kind
    scheme = "light" if kind == "paper" else "light dark"
    assert f'name="color-scheme" content="{scheme}"' in page.frames[0]


def test_a_whole_document_is_shown_as_it_is() -> None:
    document = "\n<!-- made by a tool -->\n<!DOCTYPE html><html><head></head><body>x</body></html>"
    assert page_of(report(main=document)).frames == [document]


def test_main_is_first_and_empty_tabs_are_left_out() -> None:
    made = Report("Training")
    for name in ("b", "main", "a", "empty"):
        made.get_tab(name)
    for name in ("a", "b", "main"):
        made.get_tab(name).log("<p>x</p>")
    assert page_of(made).texts["button"] == ["main", "b", "a"]


def test_a_report_without_content_says_so() -> None:
    made = Report("Training")
    assert not made.has_content()
    made.get_tab("main").log("")
    assert not made.has_content()
    assert "Nothing has been reported yet." in str(made.get_final_report())


def test_the_page_is_told_when_it_was_made() -> None:
    page = page_of(report(main="<p>a</p>"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.texts["li"][0])


def test_text_that_has_no_utf8_does_not_stop_the_report() -> None:
    pieces = report(main="half a pair: \ud83d").pieces()
    assert b"half a pair: &#55357;" in "".join(pieces).encode("utf-8", "xmlcharrefreplace")


def test_fifty_megabytes_are_put_together_without_being_searched() -> None:
    row = '<tr><td>1</td><td>&amp; "two"</td></tr>\n'
    made = report(main="<table>" + row * (50_000_000 // len(row)) + "</table>")
    pieces = made.pieces()
    assert sum(map(len, pieces)) > 50_000_000
    assert len(pieces) < 100, "joined nowhere"


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    template = tmp_path / "house.html"
    template.write_text("<title>{{title}}</title><nav>{{tabs}}</nav>{{panels}}<b>{{title}}</b>")
    made = report(main="<p>{{title}}</p>")
    made.template_path = template
    page = page_of(made)
    assert page.texts["title"] == page.texts["b"] == ["Training"]
    assert "<p>{{title}}</p>" in page.frames[0], "what is logged is no template"


def test_a_template_that_asks_for_too_much(tmp_path: Path) -> None:
    template = tmp_path / "house.html"
    made = report(main="<p>a</p>")
    made.template_path = template
    with pytest.raises(errors.DefinitionError, match=r"house\.html cannot be read.*template_path"):
        made.get_final_report()
    template.write_text("{{weather}}")
    with pytest.raises(errors.DefinitionError, match=r"\{\{weather\}\}, which is not known; use"):
        made.get_final_report()


NOTEBOOK = """
import sys
sys.path.insert(0, {folder!r})
import IPython
from flyte.report import Report
report = Report("Training")
report.get_tab("main").log("<p>a</p>")
made = report.get_final_report()
assert type(made).__name__ == "HTML", made
print(made._repr_html_())
"""


def test_a_notebook_gets_something_that_it_shows(tmp_path: Path) -> None:
    """In a process of its own, with a package that answers as IPython does."""
    package = tmp_path / "IPython"
    package.mkdir()
    (package / "__init__.py").write_text("def get_ipython():\n    return object()\n")
    (package / "display.py").write_text(
        "class HTML:\n"
        "    def __init__(self, data):\n        self.data = data\n"
        "    def _repr_html_(self):\n        return self.data\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK.format(folder=str(tmp_path))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outer = read(done.stdout)
    assert [tag for tag, _ in outer.elements] == ["iframe"], "its styles do not reach the notebook"
    assert read(outer.frames[0]).texts["h1"] == ["Training"]


def test_the_templates_are_part_of_the_package() -> None:
    assert {"page.html", "frame.html"} <= {each.name for each in _page.TEMPLATE.parent.iterdir()}
