"""The sections of a page as Markdown, with its pictures as files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.domain.vocabulary import DISCLAIMER
from core.explain.report import PagePicture, Provenance, Section, Table, picture_kind
from core.platform.atomic import atomic_write, make_folder

_SUFFIX = {"png": "png", "jpeg": "jpg", "svg+xml": "svg"}


def write_markdown(
    path: Path, title: str, lead: str, sections: tuple[Section, ...], provenance: Provenance
) -> None:
    """Write the page, and its pictures into ``figures/`` beside it; each file whole or not at all."""
    lines = [f"# {title}", ""]
    if provenance.synthetic:
        lines += [
            "**SYNTHETIC: computer-made images of no patient. No figure here says anything about real "
            "mammograms.**",
            "",
        ]
    lines += [lead, ""]
    for section in sections:
        lines += _section(path.parent, section)
    lines += ["## Where this comes from", "", f"- Model: {provenance.model_sha256}"]
    lines.append(f"- Training data: {provenance.data_fingerprint}")
    lines += [f"- {name}: {value}" for name, value in provenance.details]
    lines += ["", DISCLAIMER, ""]
    atomic_write(path, "\n".join(lines).encode())


def _section(folder: Path, section: Section) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    for paragraph in section.text:
        yield from (paragraph, "")
    for figure in section.figures:
        yield f"- {figure.label}: **{figure.value}**" + (f" ({figure.note})" if figure.note else "")
    if section.figures:
        yield ""
    for table in section.tables:
        yield from table_lines(table)
    for number, picture in enumerate(section.pictures, start=1):
        name = f"figures/{section.id}-{number}.{_SUFFIX[picture_kind(picture.data)]}"
        make_folder(folder / "figures")
        atomic_write(folder / name, picture.data)
        yield from _picture(picture, name)
    for link in section.links:
        yield f"- [{link.title}]({link.href})" + (f" ({link.note})" if link.note else "")
    if section.links:
        yield ""


def _picture(picture: PagePicture, name: str) -> Iterator[str]:
    yield from (f"![{picture.alt}]({name})", "")
    if picture.caption:
        yield from (picture.caption, "")


def table_lines(table: Table) -> Iterator[str]:
    """A table with its caption; bars in cells are escaped."""
    yield from (f"**{table.caption}**", "")
    yield _row(table.columns)
    yield _row(tuple("---" for _ in table.columns))
    for i, cells in enumerate(table.rows):
        yield _row(tuple(f"**{c}**" if (i, j) in table.strong and c else c for j, c in enumerate(cells)))
    yield ""
    if table.note:
        yield from (table.note, "")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
