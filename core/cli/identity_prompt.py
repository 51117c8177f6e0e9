"""The identity file of a study on the command line: its passphrase is asked for once by a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import StudyError
from core.domain.messages import message

if TYPE_CHECKING:
    from core.store.identity import IdentityFile, KeySource
    from core.store.study import Study


def ask_secret(what: str) -> str:
    """Return an answer from the terminal, unseen, or the next line of standard input.

    Raises: EOFError if there is none.
    """
    if sys.stdin.isatty():
        return getpass(f"{what}: ")
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


class IdentityPrompt:
    """Opens identity files for one command. ``how``: drop, passphrase or key-store."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._known = ""

    def file(self, study: Study) -> IdentityFile | None:
        """Return the study's identity file, made if there is none; None where the link is dropped.

        Raises: StudyError for a wrong passphrase, or if the two entries of a new one differ.
        """
        from core.store.identity import IdentityFile, has_identity

        if self._how == "drop":
            return None
        if has_identity(study.folder):
            return IdentityFile.open(study.folder, self._source(study, self._ask))
        return IdentityFile.create(study.folder, self._source(study, self._ask_new))

    def prepare(self, folder: Path) -> None:
        """Ask now, and open or make the file of the study in ``folder``, so that the work that follows need not
        wait for a person."""
        from core.store.study import Study

        if self._how != "drop":
            with Study.open(folder) as study:
                self.file(study)

    def _source(self, study: Study, ask: Callable[[], str]) -> KeySource:
        from core.store.identity import KeyStore, Passphrase

        return KeyStore(study.info.id) if self._how == "key-store" else Passphrase(ask)

    def _ask(self) -> str:
        self._known = self._known or ask_secret("Passphrase")
        return self._known

    def _ask_new(self) -> str:
        if not self._known:
            first = ask_secret("New passphrase")
            if ask_secret("The same passphrase again") != first:
                raise StudyError(
                    message("The two passphrases differ; no identity file was made. Run the command again.")
                )
            self._known = first
        return self._known


def open_identity(study: Study) -> IdentityFile:
    """Open the study's identity file, with its passphrase where it has one. Raises: StudyError."""
    from core.store.identity import identity_key_kind

    kind = identity_key_kind(study.folder)
    found = IdentityPrompt("key-store" if kind == "key store" else "passphrase").file(study)
    assert found is not None
    return found
