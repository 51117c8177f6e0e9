"""Forty wrong command lines: one good sentence each, with the exit code that is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.cli.main import run_command_line

REFUSED, MISUSED = 1, 2
WRONG: tuple[tuple[str, int, str], ...] = (
    ("trian {study}", MISUSED, "did you mean 'train'?"),
    ("evalute {study} tiny", MISUSED, "did you mean 'evaluate'?"),
    ("frobnicate", MISUSED, "is not a known command; use one of demo"),
    ("study", MISUSED, "action is missing"),
    ("study shwo {study}", MISUSED, "did you mean 'show'?"),
    ("study show", MISUSED, "study is missing"),
    ("study show {study} more", MISUSED, "'more' is one argument too many"),
    ("study show {empty}", REFUSED, "is not a study"),
    ("study show {study} --name x", MISUSED, "--name is not an option of this command"),
    ("study create {study}", REFUSED, "not empty"),
    ("import {study}", MISUSED, "folder is missing"),
    ("import {study} {missing}", REFUSED, "does not exist"),
    ("import {study} {empty}", REFUSED, "neither images nor a table"),
    ("import {study} {empty} --layout dicomdir", MISUSED, "'dicomdir' is not a known layout"),
    ("import {study} {empty} --dryrun", MISUSED, "did you mean --dry-run?"),
    ("import {study} {empty} --choices {missing}", REFUSED, "does not exist"),
    ("split {study} --fractions 0.5 0.5", MISUSED, "--fractions needs 3 values"),
    ("split {study} --fractions a b c", MISUSED, "must be a number, not 'a'"),
    ("train {study} --presets compact", MISUSED, "did you mean --preset?"),
    ("train {study} --preset compakt", REFUSED, "did you mean 'compact'?"),
    ("train {study} --preset compact --config x.toml", MISUSED, "cannot be used together"),
    ("train {study} --config {missing}", REFUSED, "does not exist"),
    ("train {study} --set epochs.joints=3", REFUSED, "did you mean epochs.joint?"),
    ("train {study} --set epochs.joint", REFUSED, "write NAME=VALUE"),
    ("train {study} --set epochs.joint=many", REFUSED, "epochs.joint must be a whole number, not text"),
    ("train {study} --set epochs.joint=0", REFUSED, "must be a whole number of at least 1"),
    ("train {study} --resume nope", REFUSED, "no run nope; its runs are: tiny"),
    ("train {study} --seed 1 --seeds 2 3", REFUSED, "--seed and --seeds"),
    ("train {study} --device gpu", MISUSED, "'gpu' is not a known device"),
    ("train {study} --split nope", REFUSED, "no split nope"),
    ("run delete {study}", MISUSED, "run is missing"),
    ("run compare {study} tiny", REFUSED, "at least two runs"),
    ("predict {study} nope", REFUSED, "no run nope"),
    ("predict {study} tiny --out x.xlsx", REFUSED, ".csv, .json, .parquet"),
    ("predict {study} tiny zzzz", REFUSED, "no lesion zzzz"),
    ("evaluate", REFUSED, "--predictions"),
    ("evaluate {study}", REFUSED, "its runs are: tiny"),
    ("evaluate {study} tiny --draws few", MISUSED, "--draws must be a whole number, not 'few'"),
    ("evaluate {study} tiny --part tset", MISUSED, "did you mean 'test'?"),
    ("explain {study} tiny --out", MISUSED, "--out needs a value"),
    ("prune {study} tiny", REFUSED, "Name the prototypes to remove"),
    ("prune {study} tiny two", MISUSED, "numbers must be a whole number, not 'two'"),
    ("prune {study} tiny --undo --redo", MISUSED, "cannot be used together"),
    ("export {study} --format model --out x", REFUSED, "--format model needs --run"),
    ("export {study} --format csv --run tiny --out x", REFUSED, "leave out --run"),
    ("export {study} --format gif --out x", MISUSED, "'gif' is not a known format"),
    ("model import {study} {missing}", REFUSED, "does not exist"),
    ("model import {study} {table}", REFUSED, "is not a Marginalia model, or is damaged"),
    ("model export {study} tiny --out {table}", REFUSED, "add --overwrite"),
    ("reader-study make {study} --run tiny", MISUSED, "--name is missing"),
    ("reader-study evaluate {study} --name pilot", REFUSED, "no reader study pilot"),
    ("restore {table} {missing}", REFUSED, "is not a Marginalia backup, or is damaged"),
    ("forget {study} P0000", REFUSED, "no patient P0000"),
    ("completion powershell", MISUSED, "use one of bash, zsh, fish"),
)


def test_each_wrong_command_line_gets_one_good_sentence(
    trained_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(WRONG) >= 40
    empty, table = tmp_path / "empty", tmp_path / "table.csv"
    empty.mkdir()
    table.write_text("image\n")
    monkeypatch.chdir(tmp_path)
    places = {"study": trained_study, "empty": empty, "missing": tmp_path / "missing", "table": table}
    faults = []
    for line, code, words in WRONG:
        arguments = [part.format(**places) for part in line.split()]
        try:
            found = run_command_line(arguments)
        except SystemExit as stop:
            found = int(str(stop.code))
        output = capsys.readouterr()
        sentences = [text for text in output.err.splitlines() if not re.fullmatch(r"[\w-]+: working", text)]
        good = (
            found == code
            and output.out == ""
            and len(sentences) == 1
            and sentences[0].startswith("Error: ")
            and words in sentences[0]
            and not re.search(r"Traceback|Expected|invalid choice|unrecognized|\w+Error\b", sentences[0])
        )
        if not good:
            faults.append((line, found, output.err))
    assert not faults
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "table.csv"]
