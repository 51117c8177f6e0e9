"""Names and paths are looked up before anything heavy is loaded: a wrong one is reported at once.

The database is read with as little as possible (``core.store.quick``). Other cases are left to the store, which
has messages for them: a database of another version, a disk or a server that cannot be read.
"""

from __future__ import annotations

from pathlib import Path

from core.cli.parsing import near
from core.domain.errors import BadFileError, StudyError, TrainingError
from core.domain.messages import Sentence, message, template
from core.domain.run_groups import in_group
from core.store.names import DATABASE, is_study
from core.store.quick import quick_rows

PRESETS = Path(__file__).resolve().parents[2] / "resources" / "presets"


def check_study(folder: Path) -> None:
    """StudyError if the folder is not a study."""
    folder = folder.absolute()
    if not is_study(folder):
        raise StudyError(
            message(
                "{folder} is not a study: it has no {database}. Choose the folder of a study.",
                folder=folder,
                database=DATABASE,
            )
        )


def check_run(folder: Path, name: str, *, finished: bool = False, group: bool = False) -> None:
    """StudyError with the known runs if the study has none of this name, or if it must be finished and is not.

    ``group``: the name may also be the beginning of the names of folds and seeds.
    """
    rows = _rows(folder, "SELECT name, id, status, archived FROM run ORDER BY seq")
    if rows is None:
        return
    matches = [row for row in rows if row[0] == name][-1:] or [row for row in rows if row[1].startswith(name)]
    if not name:
        matches = []
    if group and name and not matches and any(in_group(row[0], name) for row in rows if not row[3]):
        return
    if len(matches) != 1:
        known = [row[0] for row in rows if not row[3]]
        raise StudyError(_unknown("run", name, known))
    if finished and matches[0][2] != "finished":
        found, status = matches[0][0], matches[0][2]
        raise StudyError(
            message(
                "Run {run} is {status}, not finished: resume it with train --resume {run}.",
                run=found,
                status=status,
            )
        )


def check_split(folder: Path, name: str) -> None:
    """StudyError with the known splits if the study has none of this name."""
    rows = _rows(folder, "SELECT DISTINCT name FROM split")
    if rows is not None and name not in {row[0] for row in rows}:
        raise StudyError(_unknown("split", name, [row[0] for row in rows]))


def check_reader_study(folder: Path, name: str) -> None:
    """StudyError with the known reader studies if the study has none of this name."""
    rows = _rows(folder, "SELECT name FROM reader_study")
    if rows is not None and name not in {row[0] for row in rows}:
        raise StudyError(_unknown("reader study", name, [row[0] for row in rows]))


def check_lesion(folder: Path, begin: str) -> None:
    """StudyError unless exactly one lesion has this id, or an id that begins so."""
    escaped = begin.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = _rows(folder, "SELECT id FROM lesion WHERE id LIKE ? ESCAPE '\\' LIMIT 2", f"{escaped}%")
    if rows is not None and (len(rows) != 1 or not begin):
        what = message("no lesion") if not rows else message("more than one lesion")
        raise StudyError(
            message(
                "This study has {what} {lesion}; list them with: marginalia study lesions {folder}",
                what=what,
                lesion=begin,
                folder=folder,
            )
        )


def check_preset(name: str) -> None:
    """TrainingError with the known presets if there is none of this name."""
    known = sorted(path.stem for path in PRESETS.glob("*.json"))
    if known and name not in known:
        raise TrainingError(message("There is no preset {name}{hint}", name=name, hint=near(name, known)))


def check_settings(changes: list[str]) -> None:
    """TrainingError for the first of the changes NAME=VALUE whose name is not a setting of a training."""
    if not changes:
        return
    from core.training.config_file import setting_names, unknown_setting

    known = set(setting_names())
    for change in changes:
        name = change.partition("=")[0]
        if name not in known:
            raise TrainingError(message("--set {change}: {problem}", change=change, problem=unknown_setting(name)))


def check_input(path: Path) -> None:
    """BadFileError if there is neither a file nor a folder at ``path``."""
    if not path.exists():
        raise BadFileError(message("{path} does not exist; check the name.", path=path))


_KINDS = {
    "run": (
        template("This study has no run {name}; its runs are: {known}."),
        template("This study has no run {name}; it has none yet."),
    ),
    "split": (
        template("This study has no split {name}; its splits are: {known}."),
        template("This study has no split {name}; it has none yet."),
    ),
    "reader study": (
        template("This study has no reader study {name}; its reader studies are: {known}."),
        template("This study has no reader study {name}; it has none yet."),
    ),
}
"""For each kind of thing that a command names: what it says of an unknown name, with and without known ones."""


def _unknown(what: str, name: str, known: list[str]) -> Sentence:
    with_known, without = _KINDS[what]
    return message(with_known, name=name, known=", ".join(known)) if known else message(without, name=name)


def _rows(folder: Path, statement: str, *values: str) -> list[tuple[str, ...]] | None:
    """None where the database cannot be read in this way."""
    return quick_rows(folder, statement, values)


def check_suffix(path: Path, known: tuple[str, ...]) -> None:
    """StudyError unless the file's name ends in one of these."""
    if path.suffix.lower() not in known:
        raise StudyError(
            message(
                "{file} ends in none of {known}; choose one of these formats.",
                file=path.name,
                known=", ".join(known),
            )
        )


def check_runs_to_compare(folder: Path, names: list[str]) -> None:
    """StudyError unless these are at least two finished runs of the study."""
    if len(names) < 2:
        raise StudyError(message("Name at least two runs: the first is compared with each of the others."))
    for name in names:
        check_run(folder, name, finished=True)
