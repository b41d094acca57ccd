"""`Report` and `Tab`: what a task wants to say, as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from flyte import errors
from flyte._kit import clock, optional
from flyte.report import _page
from flyte.types import TypeEngine

MAIN = "main"
"""The tab of `flyte.report.log` and `replace`; it comes first."""


class Displayed(Protocol):
    """What a notebook shows instead of its text: `IPython.display.HTML`."""

    def _repr_html_(self) -> str: ...


@dataclass
class Tab:
    """One tab of a report.

    Its HTML is shown in a document of its own: whatever stands in it (styles, scripts, a tag that is not closed) ends
    at its border.

    Example:
        >>> tab = flyte.report.get_tab("Confusion matrix")
        >>> tab.log("<h2>Fold 1</h2>")
    """

    name: str
    content: list[str] = field(init=False, default_factory=list[str])
    """The parts in the order in which they were logged."""

    def log(self, content: str) -> None:
        """Append HTML; another value than text is rendered by the transformer of its type."""
        self.content.append(_html(content))

    def replace(self, content: str) -> None:
        """Put HTML in the place of everything that is there."""
        self.content = [_html(content)]

    def get_html(self) -> str:
        """All parts, each on a line of its own."""
        return "\n".join(self.content)


@dataclass
class Report:
    """Named tabs, and the page made of them.

    Args:
        name: the title of the page.
        tabs: the tabs by name; `main` is shown first, the others in their order, empty ones not at all.
        template_path: the page around the tabs: an HTML file in which `{{title}}`, `{{facts}}`, `{{tabs}}` and
            `{{panels}}` stand for what is put in; the one of this package by default.

    Example:
        >>> report = Report("Training")
        >>> report.get_tab("main").log("<p>3 folds</p>")
        >>> "Training" in str(report.get_final_report())
        True
    """

    name: str
    tabs: dict[str, Tab] = field(default_factory=dict[str, Tab])
    template_path: Path = field(default_factory=lambda: _page.TEMPLATE)

    def get_tab(self, name: str, create_if_missing: bool = True) -> Tab:
        """The tab of that name.

        Raises:
            DefinitionError: (a ValueError) when there is none and none is to be made.
        """
        if name not in self.tabs:
            if not create_if_missing:
                there = ", ".join(map(repr, self.tabs)) or "none yet"
                raise errors.DefinitionError(
                    f"report {self.name!r} has no tab {name!r}; it has: {there}"
                )
            self.tabs[name] = Tab(name)
        return self.tabs[name]

    def has_content(self) -> bool:
        """Whether something was logged in any tab."""
        return any(any(tab.content) for tab in self.tabs.values())

    def get_final_report(self) -> str | Displayed:
        """The page as text; in IPython and notebooks an object that they show as a page.

        Raises:
            DefinitionError: when the template cannot be read, or has a placeholder that is not known.
        """
        page = "".join(self.pieces())
        if _in_ipython():
            return optional.module("IPython.display", "showing a report").HTML(_page.framed(page))
        return page

    def facts(self) -> Sequence[str]:
        """What stands below the title: when this page was made."""
        return [f"{clock.now():%Y-%m-%d %H:%M:%S} UTC"]

    def contents(self) -> list[tuple[str, str]]:
        """Name and HTML of each tab that has content, in the order in which they are shown."""
        shown = sorted(self.tabs.values(), key=lambda tab: tab.name != MAIN)
        return [(tab.name, html) for tab in shown if (html := tab.get_html())]

    def pieces(self) -> list[str]:
        """The page in pieces, so that a large report is not copied once more to join them."""
        return _page.render(
            self.name, self.facts(), self.contents(), template=Path(self.template_path)
        )


def _html(content: Any) -> str:
    return content if isinstance(content, str) else TypeEngine.to_html(content, type(content))


def _in_ipython() -> bool:
    if not optional.loaded("IPython"):
        return False
    return optional.module("IPython", "showing a report").get_ipython() is not None
