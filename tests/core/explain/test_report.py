from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.vocabulary import DISCLAIMER
from core.explain import render
from core.explain.case_page import (
    CaseFacts,
    ContributionTable,
    evidence_rows,
    malignancy_ledger,
    own_style,
    render_case,
    waterfall,
    why_not,
)
from core.explain.explanation import explain, roi_input
from core.explain.prototype_patches import prototype_patches
from core.explain.render import HeatStyle
from core.explain.report import (
    Figure,
    Link,
    PagePicture,
    Section,
    Table,
    number,
    percent,
    provenance_of,
    render_index,
    signed,
    write_page,
)
from tests.core.explain.world import make_rois, make_world

NETWORK, CARD, ROIS = make_world()
PATCHES = prototype_patches(NETWORK, CARD, ROIS)
FOUND = explain(NETWORK, CARD, roi_input(ROIS, 2))
PROVENANCE = provenance_of(CARD, "c0ffee" * 10)
STYLE = HeatStyle(high=9.0)


class Page(HTMLParser):
    """Collects what a page loads and whether its pictures have words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.without_alt = 0
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.without_alt += not values.get("alt")
        self.sources += [values[key] or "" for key in ("src", "href") if key in values]


def test_a_case_page_stands_alone_and_every_picture_has_words() -> None:
    page = Page(render_case(FOUND, PROVENANCE, patches=PATCHES))
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)
    assert page.without_alt == 0
    assert "script" not in page.tags
    assert page.tags.count("img") == 1 + 1 + 6 * 5 + 3


def test_a_page_carries_disclaimer_model_data_and_the_word_synthetic() -> None:
    text = render_case(FOUND, PROVENANCE, patches=PATCHES)
    assert DISCLAIMER in text
    assert "c0ffee" * 10 in text
    assert "SYNTHETIC" in text
    real = provenance_of(msgspec.structs.replace(CARD, synthetic=False), "a" * 64)
    assert "SYNTHETIC" not in render_case(FOUND, real)


def test_a_page_holds_no_identifier_of_a_patient() -> None:
    text = render_case(FOUND, PROVENANCE, patches=PATCHES, title="Case 7")
    assert "patient-" not in text
    assert "lesion-" not in text


def test_the_running_sum_ends_in_the_class_score() -> None:
    for c in range(3):
        rows = evidence_rows(FOUND, PATCHES, c, style=STYLE)
        assert rows[-1].running == pytest.approx(FOUND.logits[c], abs=1e-5)
        assert [row.contribution for row in rows] == sorted((r.contribution for r in rows), reverse=True)


def total(book: ContributionTable) -> float:
    return sum(share for _, _, _, share, _ in book.lines) + sum(value for _, value in book.rest)


def test_every_ledger_adds_up_to_its_total() -> None:
    malignancy = malignancy_ledger(FOUND)
    assert malignancy is not None
    for book in [why_not(FOUND, 0, 1), why_not(FOUND, 2, 0), malignancy]:
        assert total(book) == pytest.approx(book.total, abs=1e-5)


def test_bars_of_a_waterfall_join_and_stay_on_the_axis() -> None:
    bars = waterfall([3.0, 1.0, -2.0, -4.0])  # ends 3, 4, 2, -2 on an axis from -2 to 4
    assert [round(bar.left, 1) for bar in bars] == [33.3, 83.3, 66.7, 0.0]
    assert [round(bar.left + bar.width, 1) for bar in bars] == [83.3, 100.0, 100.0, 66.7]
    assert [bar.positive for bar in bars] == [True, True, False, False]


def test_without_a_precedent_the_page_gives_no_prediction() -> None:
    card = msgspec.structs.replace(CARD, precedent_threshold=1e9)
    text = render_case(explain(NETWORK, card, roi_input(ROIS, 2)), PROVENANCE)
    assert "the model gives no prediction" in text
    words = re.sub(r'<style>.*?</style>|style="[^"]*"|data:[^"]*', "", text, flags=re.S)
    assert "%" not in words.replace("95% of the validation", "").replace("top 5%", "").replace("hottest 2%", "")
    assert "softmax" not in words


def test_a_model_without_a_threshold_says_that_it_never_abstains() -> None:
    card = msgspec.structs.replace(CARD, precedent_threshold=None)
    text = render_case(explain(NETWORK, card, roi_input(ROIS, 2)), PROVENANCE)
    assert "it scores whatever it is shown" in text
    known = msgspec.structs.replace(CARD, precedent_threshold=0.0)
    assert "whatever it is shown" not in render_case(explain(NETWORK, known, roi_input(ROIS, 2)), PROVENANCE)


def test_a_margin_that_was_not_trained_is_named() -> None:
    rois = make_rois()
    rois.label[0] = -1
    found = explain(NETWORK, CARD, roi_input(rois, 0, class_name="obscured"))
    assert "This margin was not trained" in render_case(found, PROVENANCE)


def test_without_the_source_images_the_page_says_so() -> None:
    text = render_case(FOUND, PROVENANCE)
    assert text.count("picture not shared") == 3 * 6


def test_foreign_words_are_escaped() -> None:
    text = render_case(FOUND, PROVENANCE, title="<script>alert(1)</script>")
    assert "<script>" not in text


def test_an_index_shows_every_kind_of_content(tmp_path: Path) -> None:
    picture = PagePicture(data=render.png(np.zeros((4, 4), np.uint8)), alt="four pixels", caption="Small")
    section = Section(
        title="Figures & tables",
        text=("One paragraph.",),
        figures=(Figure(label="AUROC", value="0.95", note="clustered"),),
        tables=(Table(caption="Metrics", columns=("model", "AUROC"), rows=(("IAIA-BL", "0.95"),)),),
        pictures=(picture, replace(picture, wide=True)),
        links=(Link(href="case-1.html", title="Case 1", thumbnail=picture),),
    )
    write_page(tmp_path / "index.html", render_index("Report", "What was found.", (section,), PROVENANCE))
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    assert page.without_alt == 0
    assert {source for source in page.sources if not source.startswith("data:image/png")} == {"case-1.html"}
    assert "Figures &amp; tables" in (tmp_path / "index.html").read_text("utf-8")


def test_numbers_are_written_with_true_minus_signs() -> None:
    assert (number(-1.234), number(-0.001), signed(0.5), signed(-0.5)) == ("−1.23", "0.00", "+0.50", "−0.50")
    assert (percent(0.004), percent(0.996), percent(1.0), percent(0.5)) == ("<1%", ">99%", "100%", "50%")


def test_the_map_of_a_prototype_on_its_own_lesion_has_a_scale_of_its_own() -> None:
    patch = PATCHES[0]
    low, high = render.own_scale(patch.activation)
    assert (low, high) == (patch.activation.min(), np.quantile(patch.activation, 0.98))
    assert high < patch.activation.max()
    own = own_style(patch, STYLE)
    assert (own.low, own.high, own.colours) == (low, high, STYLE.colours)
    [row] = [row for row in evidence_rows(FOUND, PATCHES, 0, style=STYLE) if row.row.index == patch.index]
    assert row.self_activation == render.jpeg(render.overlay(patch.source, patch.activation, own))
    assert row.self_activation != render.jpeg(render.overlay(patch.source, patch.activation, STYLE))


def test_the_page_names_every_voice_the_model_and_the_day() -> None:
    names = FOUND.class_names
    shown = names[FOUND.predicted]
    other = next(name for name in names if name != shown)
    facts = CaseFacts(
        model="first run",
        day="2026-11-30",
        voices=(("", other, None), ("Dr <X>", "obscured", 0.6), ("Dr Y", shown, None)),
    )
    text = render_case(FOUND, PROVENANCE, title="PABC · L CC · 1", facts=facts)
    words = " ".join(re.sub(r"<[^>]*>", " ", text.partition("<main>")[2]).split())
    for part in (
        "PABC · L CC · 1",
        "Model first run · 2026-11-30",
        f"Data set: {other}",
        "Dr &lt;X&gt;: obscured 60% malignant",
        f"Dr Y: {shown}",
        f"Model: {shown}",
        "The model disagrees with the data set.",
    ):
        assert part in words, part
    assert "disagrees with Dr" not in words
