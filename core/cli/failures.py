"""One sentence for each failure that is not a fault of the program."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from core.domain.errors import MarginaliaError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_KIND = {
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "lies below a file, not a folder",
    errno.ENOENT: "does not exist",
}


def sentence_for(error: Exception, arguments: Sequence[str]) -> str | None:
    """Return the message with the problem and its remedy; None for an internal error.

    ``arguments``: the command line. A missing file is reported to the user only if it is named there.
    """
    match error:
        case MarginaliaError():
            return str(error)
        case EOFError():
            return "The input ended before the question was answered; run the command on a terminal."
        case UnicodeError():
            return (
                f"Text cannot be read or written in this encoding ({error.reason}); set PYTHONUTF8=1."
                if (isinstance(error, UnicodeDecodeError | UnicodeEncodeError))
                else None
            )
        case MemoryError():
            return (
                "The memory of this computer is not enough for this; close other programs, or use a smaller batch."
            )
        case ConnectionError() | TimeoutError():
            return f"The connection broke ({_reason(error)}); check the network and run the command again."
        case OSError():
            return _of_system(error, arguments)
    return None


def _of_system(error: OSError, arguments: Sequence[str]) -> str | None:
    name = str(error.filename) if isinstance(error.filename, str) else ""
    where = f"{name}: " if name else ""
    if error.errno == errno.ENAMETOOLONG:
        return "A name among the paths is too long for this disk; choose a shorter one."
    if error.errno in _DISK_FULL:
        return f"{where}There is no room left to write to; make room and run the command again."
    if error.errno in _NOT_ALLOWED:
        return f"{where}You have no permission to do this; change the permissions or choose another folder."
    if error.errno in _WRONG_KIND and name and any(name.endswith(one) or one in name for one in arguments if one):
        return f"{name} {_WRONG_KIND[error.errno]}; check the name."
    return None


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
