"""Self-contained HTML: one file, no script, nothing loaded from anywhere; dark on the screen, light on paper.

This module holds what all pages share and the page that is composed of sections (``render_index``), which other
parts of the program fill; ``case_page`` makes the page of one explained lesion.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from core.domain.vocabulary import DISCLAIMER
from core.model.card import AUTOMATIC_BAND, LABELS, ModelCard
from core.platform.atomic import atomic_write

CLASS_COLOURS = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00", "#0072b2")
"""The colours of Okabe and Ito, distinct for colour-blind readers; repeated if there are more classes."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The facts about the model and its data that a page must state (safety.md)."""

    model_sha256: str
    data_fingerprint: str
    synthetic: bool
    details: tuple[tuple[str, str], ...] = ()
    """Further lines: (what, value)."""


def provenance_of(card: ModelCard, model_sha256: str, *, revision: str = "") -> Provenance:
    """The provenance of a model; ``revision`` names the pruned state that was used."""
    architecture = card.architecture
    lines = [
        ("Method", card.method),
        ("Backbone", f"{architecture.backbone}, weights at the start: {architecture.weights}"),
        ("Warm start", card.warm_start or "none"),
        ("Trained on", f"{card.training_lesions} lesions of {card.training_patients} patients"),
        ("Prototypes", str(len(card.prototype_class))),
        ("Seed", str(card.seed)),
        ("Code", card.code_version or "not recorded"),
    ]
    if LABELS in card.notes:
        lines.append((LABELS.capitalize(), card.notes[LABELS]))
    if AUTOMATIC_BAND in card.notes:
        lines.append((AUTOMATIC_BAND.capitalize(), card.notes[AUTOMATIC_BAND]))
    if revision:
        lines.append(("Revision", revision))
    return Provenance(
        model_sha256=model_sha256,
        data_fingerprint=card.data_fingerprint or "not recorded",
        synthetic=card.synthetic,
        details=tuple(lines),
    )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One large number with what it is."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Cells as text; the first column is the row's head."""
    note: str = ""
    strong: frozenset[tuple[int, int]] = frozenset()
    """(row, column) of the cells that stand in bold: the best of a row."""


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """A picture with its words. ``data`` is a PNG, a JPEG or an SVG without anything to load."""

    data: bytes
    alt: str
    caption: str = ""
    wide: bool = False
    """Over the full width of the page, not in a row with its neighbours."""

    @property
    def uri(self) -> str:
        return data_uri(self.data)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A page beside this one."""

    href: str
    title: str
    note: str = ""
    thumbnail: PagePicture | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a composed page; whatever is empty is left out."""

    title: str
    text: tuple[str, ...] = ()
    """Paragraphs."""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[PagePicture, ...] = ()
    links: tuple[Link, ...] = ()
    anchor: str = field(default="")
    """Identifier for links to this section; from the title where empty."""

    @property
    def id(self) -> str:
        return self.anchor or "".join(c if c.isalnum() else "-" for c in self.title.lower())


def render_index(title: str, lead: str, sections: tuple[Section, ...], provenance: Provenance) -> str:
    """A page of sections. All text is escaped; ``lead`` is the sentence under the title."""
    return render_template(
        "index.html.j2", {"title": title, "lead": lead, "sections": sections, "provenance": provenance}
    )


def write_page(path: Path, page: str) -> None:
    """Write the page whole or not at all; StorageFullError where there is no room."""
    atomic_write(path, page.encode())


def render_template(name: str, context: Mapping[str, object]) -> str:
    words = Markup(DISCLAIMER)  # our own, without markup: searched for letter by letter, so not escaped
    return _environment().get_template(name).render(disclaimer=words, **context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("resources", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"signed": signed, "number": number, "percent": percent, "uri": data_uri}
    return environment


def picture_kind(data: bytes) -> str:
    """png, jpeg or svg+xml."""
    if data.startswith(b"\x89PNG"):
        return "png"
    return "svg+xml" if data.lstrip().startswith((b"<?xml", b"<svg")) else "jpeg"


def data_uri(data: bytes) -> str:
    """The picture inside the page."""
    return f"data:image/{picture_kind(data)};base64,{base64.b64encode(data).decode()}"


def number(value: float, digits: int = 2) -> str:
    """With a true minus sign; minus zero is zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    text = number(value, digits)
    return text if text.startswith("−") else f"+{text}"


def percent(share: float) -> str:
    """Whole percents, never 0 or 100 for what is neither."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def class_colour(index: int) -> str:
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]
