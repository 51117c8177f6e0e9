"""Why there is no model to look at: the same words on Review and Prototypes."""

from __future__ import annotations

from app.model_desk import ModelDesk
from app.qt.translation import tr
from app.widgets.notice import Notice


def say_why_absent(notice: Notice, desk: ModelDesk, *, no_study: str, no_model: str) -> None:
    """``no_study``, ``no_model``: what the screen is for, where a study or a model is missing."""
    if desk.problem:
        notice.say(tr("This model cannot be shown"), desk.problem)
    elif desk.is_opening:
        notice.say(tr("Opening the model …"), tr("The first time, the regions of all lesions are cut out."))
    elif not desk.session.is_open:
        notice.say(tr("No study is open"), no_study)
    else:
        notice.say(tr("No model yet"), no_model, tr("Train a model"))
