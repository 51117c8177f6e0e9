"""One sentence for each failure that is not a fault of the program."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from core.domain.errors import MarginaliaError
from core.domain.messages import Sentence, message, template

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_KIND = {
    errno.EISDIR: template("{name} is a folder, not a file; check the name."),
    errno.ENOTDIR: template("{name} lies below a file, not a folder; check the name."),
    errno.ENOENT: template("{name} does not exist; check the name."),
}


def sentence_for(error: Exception, arguments: Sequence[str]) -> Sentence | None:
    """Return the message with the problem and its remedy; None for an internal error.

    ``arguments``: the command line. A missing file is reported to the user only if it is named there.
    """
    match error:
        case MarginaliaError():
            return error.sentence
        case EOFError():
            return message("The input ended before the question was answered; run the command on a terminal.")
        case UnicodeError():
            return (
                message(
                    "Text cannot be read or written in this encoding ({reason}); set PYTHONUTF8=1.",
                    reason=error.reason,
                )
                if (isinstance(error, UnicodeDecodeError | UnicodeEncodeError))
                else None
            )
        case MemoryError():
            return message(
                "The memory of this computer is not enough for this; close other programs, or use a smaller batch."
            )
        case ConnectionError() | TimeoutError():
            return message(
                "The connection broke ({reason}); check the network and run the command again.",
                reason=_reason(error),
            )
        case OSError():
            return _of_system(error, arguments)
    return None


def _of_system(error: OSError, arguments: Sequence[str]) -> Sentence | None:
    name = str(error.filename) if isinstance(error.filename, str) else ""
    if error.errno == errno.ENAMETOOLONG:
        return message("A name among the paths is too long for this disk; choose a shorter one.")
    if error.errno in _DISK_FULL:
        return _about(name, message("There is no room left to write to; make room and run the command again."))
    if error.errno in _NOT_ALLOWED:
        return _about(
            name,
            message("You have no permission to do this; change the permissions or choose another folder."),
        )
    if error.errno in _WRONG_KIND and name and any(name.endswith(one) or one in name for one in arguments if one):
        return message(_WRONG_KIND[error.errno], name=name)
    return None


def _about(name: str, sentence: Sentence) -> Sentence:
    return message("{name}: {sentence}", name=name, sentence=sentence) if name else sentence


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
