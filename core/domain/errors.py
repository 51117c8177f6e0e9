"""Errors that a person can do something about. Each carries one sentence: what is wrong with what, what to do."""

from __future__ import annotations

from core.domain.messages import Sentence


class MarginaliaError(Exception):
    """Base of every error whose text is meant for the user; anything else is a defect of the program."""

    def __init__(self, sentence: Sentence) -> None:
        assert isinstance(sentence, Sentence), f"not a sentence of the catalogue: {sentence!r}"
        super().__init__(sentence)
        self.sentence = sentence

    def __reduce__(self) -> tuple[object, ...]:
        # further arguments of a subclass are among its attributes
        return _remade, (type(self), self.args, self.__dict__)


class BadFileError(MarginaliaError):
    """A file that cannot be used: unreadable, hostile, of another kind, cut short."""


class BadTableError(MarginaliaError):
    """A table with rows that cannot be used; the sentence names the first row and counts the rest."""


class StudyError(MarginaliaError):
    """A study that cannot be opened, or a request that its contents do not allow."""


class StudyLockedError(StudyError):
    """Somebody else writes in the study; the sentence names the holder."""


class ArrayLostError(StudyError):
    """An array file is missing or damaged. Derived ones are rebuilt by whoever asked for them."""


class ModelError(MarginaliaError):
    """A model file or run that cannot be used: cut short, a pickle, of another architecture or class list."""


class TrainingError(MarginaliaError):
    """A training that cannot start or go on: a class without lesions, a loss that is not finite."""


class WeightsUnavailableError(MarginaliaError):
    """Pretrained weights could neither be downloaded nor read from a local file."""


class StorageFullError(MarginaliaError):
    """The disk is full or cannot be written; what was there before is untouched."""


class ServerLostError(StorageFullError):
    """The database server of a study cannot be reached; what was not confirmed was not kept there."""


class ServerLoginError(StudyError):
    """The database server does not accept the login; another user or password may be tried."""


class ConflictError(StudyError):
    """Somebody else changed the same value meanwhile; nothing was changed, and both values are known."""

    def __init__(self, sentence: Sentence, *, present: object, wanted: object) -> None:
        super().__init__(sentence)
        self.present = present
        """The value that the study holds now."""
        self.wanted = wanted
        """The value that was to replace it."""


class PacsError(MarginaliaError):
    """A PACS that cannot be reached, refuses, or sends what cannot be used; or a transfer that is not allowed."""


class PacsLoginError(PacsError):
    """The PACS does not accept the password or token; another one may be tried."""


class Cancelled(Exception):  # noqa: N818 (a person's wish, not an error)
    """The user asked to stop; what was finished is kept."""


def _remade(kind: type[MarginaliaError], args: tuple[object, ...], state: dict[str, object]) -> MarginaliaError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
