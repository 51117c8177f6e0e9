"""Sentences are values: they keep their id and arguments, and every one in the source is in the catalogue."""

from __future__ import annotations

import ast
import copy
import os
import pickle
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadFileError, ConflictError, MarginaliaError, StudyError
from core.domain.events import Failed, Succeeded, decode_event, encode_event
from core.domain.messages import (
    A_FILE,
    Sentence,
    decode_sentence,
    encode_sentence,
    fields,
    joined,
    message,
    named,
    sentence_from,
    sentence_of,
    verbatim,
    without,
)
from core.imaging.decoded import Refusal, RefusedImageError
from tests.catalogue import ROOT, calls_in, sentences, sources


class Letter(msgspec.Struct, frozen=True):
    sentence: Sentence
    others: tuple[Sentence, ...] = ()


def example() -> Sentence:
    inner = message("{name!r} has {count:,} bytes", name="a.dcm", count=12345)
    return message("{folder}: {inner} ({share:.1f} %).", folder=Path("/s"), inner=inner, share=np.float32(2.5))


def test_a_sentence_is_its_english_text_and_keeps_its_arguments() -> None:
    sentence = example()
    assert sentence == "/s: 'a.dcm' has 12,345 bytes (2.5 %)."
    assert sentence.id == "{folder}: {inner} ({share:.1f} %)."
    assert sentence.args["folder"] == "/s" and sentence.args["share"] == 2.5
    inner = sentence.args["inner"]
    assert isinstance(inner, Sentence) and inner.args == {"name": "a.dcm", "count": 12345}
    assert type(str(sentence)) is str


def test_every_sentence_can_be_sent_whatever_a_file_is_called() -> None:
    name = os.fsdecode(b"\xff\xfe.pgm")
    for sentence in (message("{name} is empty.", name=name), named(message("{file}.", file=A_FILE), name)):
        sent = msgspec.json.encode(Letter(sentence), enc_hook=encode_sentence)
        assert same(msgspec.json.decode(sent, type=Letter, dec_hook=decode_sentence).sentence, sentence)
        assert sentence.encode().startswith(rb"\udcff\udcfe.pgm")


def same(left: Sentence, right: Sentence) -> bool:
    return left == right and left.id == right.id and encode_sentence(left) == encode_sentence(right)


def test_it_survives_copies_pickles_and_json() -> None:
    sentence = example()
    sent = msgspec.json.encode(Letter(sentence, (sentence,)), enc_hook=encode_sentence)
    letter = msgspec.json.decode(sent, type=Letter, dec_hook=decode_sentence)
    came = decode_event(encode_event(Failed(sentence=sentence)))
    assert isinstance(came, Failed)
    for again in (
        pickle.loads(pickle.dumps(sentence)),
        copy.deepcopy(sentence),
        letter.sentence,
        letter.others[0],
        came.sentence,
    ):
        assert same(sentence, again)
        assert isinstance(again.args["inner"], Sentence)


def test_a_result_with_sentences_travels_as_an_event() -> None:
    came = decode_event(encode_event(Succeeded(result={"said": example(), "count": 3})))
    assert isinstance(came, Succeeded) and came.result["count"] == 3
    assert same(sentence_from(came.result["said"]), example())


def test_errors_keep_their_sentence_and_what_else_they_carry() -> None:
    for error in (
        StudyError(example()),
        ConflictError(example(), present=1, wanted=2),
        RefusedImageError(example(), Refusal.DAMAGED),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and same(again.sentence, error.sentence) and str(again) == str(error)
        assert again.__dict__.keys() == error.__dict__.keys()


def test_an_error_takes_nothing_but_a_sentence() -> None:
    with pytest.raises(AssertionError):
        MarginaliaError("There is no study here.")  # type: ignore[arg-type]


def test_an_error_in_a_sentence_stays_a_sentence() -> None:
    whole = message("{error} It is left out.", error=BadFileError(example()))
    assert isinstance(whole.args["error"], Sentence)
    assert same(sentence_of(StudyError(example())), example())
    assert same(sentence_of(ValueError(example())), example())
    assert sentence_of(ValueError("broken")).id == "{text}"


def test_sentences_are_joined_named_and_shortened() -> None:
    both = joined([message("One."), message("Two {name}.", name="x")])
    assert both == "One. Two x." and len(both.args) == 2
    assert without(both, message("One.")) == "Two x."
    assert without(message("Two {name}.", name="One."), message("One.")) == "Two One..", "not joined"
    cut = message("{file} is cut short.", file=A_FILE)
    assert cut == "A file is cut short." and named(cut, "a.dcm") == "a.dcm is cut short."
    assert same(
        named(message("{file} is cut short.", file="b.dcm"), "a.dcm"),
        message("{file} is cut short.", file="b.dcm"),
    )


HOSTILE = (
    {"id": "{a.__class__}", "args": {"a": "x"}},
    {"id": "{a:999999999d}", "args": {"a": 1}},
    {"id": "{a[0]}", "args": {"a": "x"}},
    {"id": "{b}", "args": {"a": "x"}},
    {"id": "{a", "args": {"a": "x"}},
    {"id": "{a:.2f}", "args": {"a": "x"}},
    {"id": "{}", "args": {}},
    {"id": "{0}", "args": {"0": "x"}},
)


@pytest.mark.parametrize("sent", HOSTILE)
def test_what_another_process_sends_is_put_into_nothing_but_a_plain_template(sent: dict[str, object]) -> None:
    assert sentence_from(sent) == verbatim(str(sent["id"]))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)
    )
)
def test_anything_that_is_received_is_a_sentence(sent: object) -> None:
    assert isinstance(sentence_from(sent), Sentence)


def test_text_of_a_former_version_is_read() -> None:
    assert sentence_from("The disk is full.") == "The disk is full."


def test_every_template_has_the_arguments_that_it_is_given() -> None:
    wrong = []
    for path in sources():
        for call in calls_in(path):
            if call.func.id != "message" or not call.args or not isinstance(call.args[0], ast.Constant):  # type: ignore[attr-defined]
                continue
            given = {keyword.arg for keyword in call.keywords}
            if set(fields(call.args[0].value)) != given:  # type: ignore[arg-type]
                wrong.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not wrong, "\n".join(wrong)
    assert len(sentences()) > 1000


def _errors() -> set[str]:
    kinds: list[type[MarginaliaError]] = [MarginaliaError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return {kind.__name__ for kind in kinds}


def test_no_error_is_given_a_text_that_is_no_sentence() -> None:
    names = _errors() | {"BadTableError", "PluginError", "FilesLeftError", "KeyStoreMissingError", "SlurmError"}
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            texts = [part for part in ast.walk(node.args[0]) if isinstance(part, ast.Call)]
            inside = {id(part) for call in texts for part in ast.walk(call) if part is not call}
            plain = [
                part
                for part in ast.walk(node.args[0])
                if isinstance(part, ast.JoinedStr | ast.Constant) and id(part) not in inside
            ]
            if name in names and any(
                isinstance(part, ast.JoinedStr) or isinstance(part.value, str) for part in plain
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)
