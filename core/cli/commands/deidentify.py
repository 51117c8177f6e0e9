"""De-identify DICOM files or pictures by the Basic Profile of DICOM PS3.15 (every row of Table E.1-1).

Patients get pseudonyms and objects new UIDs, the same for the same original as long as the same study (--study) or
the same file with a secret (--secret) is named; without either they hold together within this run only. Private
attributes and overlays are removed, comments inside JPEG data too. Text that may be burned into a picture is
pointed out, never read; black it out with --black-out, by rules (--rules), or wherever it was found. What was done
stands in deidentification.json in the new folder and in each file (Patient Identity Removed, method codes).

A file of rules is a JSON list such as
  [{"manufacturer": "ACME", "rows": 3328, "left": 0, "top": 0, "right": 600, "bottom": 120}]

examples:
  marginalia deidentify ~/mammograms --out clean
  marginalia deidentify ~/mammograms --out clean --study breast-margins --dates shifted
  marginalia deidentify one.dcm --out clean --black-out 0,0,600,120
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.console import Console
from core.domain.messages import as_text, message

if TYPE_CHECKING:
    from core.deidentify.options import BlackOut

HELP = "de-identify files by DICOM PS3.15"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="file or folder")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--study", type=Path, help="study whose secret makes UIDs and pseudonyms consistent")
    parser.add_argument("--secret", type=Path, help="file of 16 random bytes or more, instead of a study")
    parser.add_argument(
        "--dates", choices=("removed", "shifted"), default="removed", help="dates and times (default: removed)"
    )
    parser.add_argument(
        "--keep-characteristics", action="store_true", help="keep age (over 89: 90), sex, size and weight"
    )
    parser.add_argument(
        "--black-out", action="append", default=[], metavar="LEFT,TOP,RIGHT,BOTTOM", help="rectangle in pixels"
    )
    parser.add_argument("--rules", type=Path, help="JSON list of rectangles by manufacturer, model and size")
    parser.add_argument("--black-out-found", action="store_true", help="black out what looks like text")


def run(arguments: argparse.Namespace, console: Console) -> int:
    import msgspec

    from core.deidentify.files import deidentify_files, files_below, summary
    from core.deidentify.options import Dates, Options

    options = Options(
        secret=_secret(arguments),
        dates=Dates(arguments.dates),
        keep_characteristics=arguments.keep_characteristics,
        black_out=(*map(_rectangle, arguments.black_out), *_rules(arguments.rules)),
        black_out_found=arguments.black_out_found,
    )
    report = deidentify_files(
        files_below(arguments.path), arguments.out, options, emit=console.emit, cancelled=console.cancelled
    )
    console.result(msgspec.to_builtins(report, enc_hook=as_text), "\n".join(summary(report)))
    return 0


def _secret(arguments: argparse.Namespace) -> bytes:
    from core.deidentify.files import new_secret
    from core.domain.errors import BadFileError, StudyError
    from core.store.study import Study

    if arguments.study is not None:
        with Study.open(arguments.study, writable=False) as study:
            secret = study.links.secret("de-identification")
        if secret is None:
            raise StudyError(
                message("This study keeps no links, so it has no secret either; use --secret with a file.")
            )
        return secret
    if arguments.secret is None:
        return new_secret()
    try:
        content = Path(arguments.secret).read_bytes()
    except OSError as error:
        raise BadFileError(
            message(
                "{path} cannot be read ({reason}); name another file.",
                path=arguments.secret,
                reason=error.strerror,
            )
        ) from error
    if len(content) < 16:
        raise BadFileError(
            message(
                "{path} holds {count} bytes; a secret needs 16 or more.", path=arguments.secret, count=len(content)
            )
        )
    return content


def _rectangle(text: str) -> BlackOut:
    import msgspec

    from core.deidentify.options import BlackOut
    from core.domain.errors import StudyError

    try:
        left, top, right, bottom = (int(part) for part in text.split(","))
        return msgspec.convert({"left": left, "top": top, "right": right, "bottom": bottom}, BlackOut)
    except (ValueError, msgspec.ValidationError) as error:
        raise StudyError(
            message("{text!r} is not a rectangle; give LEFT,TOP,RIGHT,BOTTOM in pixels.", text=text)
        ) from error


def _rules(path: Path | None) -> tuple[BlackOut, ...]:
    import msgspec

    from core.deidentify.options import BlackOut
    from core.domain.errors import BadFileError

    if path is None:
        return ()
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[BlackOut, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadFileError(
            message("{file} is not a list of rules for black-out: {error}.", file=path.name, error=error)
        ) from error
