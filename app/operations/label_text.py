"""Changes of labels in a few words, as the history and Undo name them."""

from __future__ import annotations

from app.qt.formatting import decimal, word
from app.qt.translation import tr
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory


def describe_labels(before: Labels, after: Labels) -> str:
    """Return a description of the changes, such as "Margin: spiculated"; several fields are joined by commas."""
    changed = [
        _field(name, getattr(after, name)) for name in before.__struct_fields__ if _differ(before, after, name)
    ]
    return ", ".join(changed) or tr("Labels")


def _differ(before: Labels, after: Labels, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _field(name: str, value: object) -> str:
    if name == "flagged":
        return tr("Flag set") if value else tr("Flag taken off")
    titles = {
        "margin": tr("Margin"),
        "shape": tr("Shape"),
        "density": tr("Density"),
        "category": tr("BI-RADS category"),
        "pathology": tr("Pathology"),
        "probability_of_malignancy": tr("Malignant, my estimate"),
        "comment": tr("Comment"),
    }
    title = titles.get(name, name)
    if name == "comment":
        return title
    if value is None:
        return tr("{field}: taken back", field=title)
    if isinstance(value, BiradsCategory):
        return f"{title}: {value.value.upper()}"
    return f"{title}: " + (decimal(100 * value, 0) + " %" if isinstance(value, float) else word(value))  # type: ignore[arg-type]
