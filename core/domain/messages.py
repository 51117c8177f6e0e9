"""Sentences of the engine as values: an English text with names in braces, and what is put in.

The text is the sentence's id: ``resources/translations`` holds its translation under it, and ``--json`` gives it
to programs. A sentence is also a string, in English, so that logs and the command line need nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from string import Formatter
from typing import Any

Value = str | int | float
"""The kinds of argument that a sentence keeps; another sentence stays one, so that it is translated too."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SPEC = re.compile(r"[,+]?(?:\d{1,2})?(?:\.\d{1,2})?[dfgeX%]?")
_LONGEST = 4000
"""Characters of an id that another process or a file gives."""


class Sentence(str):
    """A sentence in English that knows its id and its arguments. Made by ``message`` and ``joined``."""

    __slots__ = ("args", "id")
    id: str
    args: Mapping[str, Value]

    def __new__(cls, template: str, args: Mapping[str, Value]) -> Sentence:
        made = super().__new__(cls, template.format(**args))
        made.id, made.args = template, args
        return made

    def __reduce__(self) -> tuple[type[Sentence], tuple[str, dict[str, Value]]]:
        return Sentence, (self.id, dict(self.args))


def message(template: str, /, **args: object) -> Sentence:
    """Return the sentence: ``message("There is no run {name}.", name=name)``.

    ``template`` is a literal, since the translations are looked up under it. Numbers stay numbers, and sentences
    and errors stay sentences; everything else is kept as its text.
    """
    return Sentence(template, {name: _kept(value) for name, value in args.items()})


def template(text: str) -> str:
    """Return the text, and mark it as the id of a sentence that ``message`` makes elsewhere."""
    return text


def verbatim(text: str) -> Sentence:
    """Return a text that is not translated: the words of another program, or of a file of a former version."""
    return text if isinstance(text, Sentence) else message("{text}", text=text)


NOTHING = message("")
"""Where there is nothing to say; it is false."""
A_FILE = message("A file")
"""Stands for the file where whoever reads it does not know its name; see ``named``."""
A_MASK = message("A mask")


def named(sentence: Sentence, name: str, *, instead_of: Sentence = A_FILE) -> Sentence:
    """Return the sentence with the name of what it is about where it has the words ``instead_of``."""
    args = {key: _encodable(name) if value == instead_of else value for key, value in sentence.args.items()}
    return Sentence(sentence.id, args)


def joined(parts: Iterable[object], by: str = " ") -> Sentence:
    """Return the sentences one after another, each of which is translated for itself."""
    args = {f"part_{number}": _kept(part) for number, part in enumerate(parts, start=1)}
    return Sentence(by.join(f"{{{name}}}" for name in args), args)


def without(sentence: Sentence, part: Sentence) -> Sentence:
    """Return joined sentences without one of them."""
    parts = [value for value in sentence.args.values() if value != part]
    return sentence if has_words(sentence.id) else joined(parts)


def has_words(template: str) -> bool:
    """Return True if there is something to translate in a template, beside the arguments."""
    return any(re.search(r"[^\W\d_]", text) for text, *_ in Formatter().parse(template))


def fields(template: str) -> list[str]:
    """Return the names in braces, each as often as it stands there."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def encode_sentence(value: object) -> object:
    """msgspec's hook for encoding: a sentence as its id and arguments."""
    if isinstance(value, Sentence):
        return {"id": value.id, "args": dict(value.args)}
    raise NotImplementedError(f"{type(value).__name__} is not sent")


def as_text(value: object) -> object:
    """msgspec's hook for encoding documents that people read: a sentence in English."""
    if isinstance(value, Sentence):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is not written")


def decode_sentence(kind: type[Any], value: object) -> object:
    """msgspec's hook for decoding the fields that are a ``Sentence``."""
    if kind is object:  # the values of a result, which its reader converts
        return value
    if issubclass(kind, Sentence):
        return sentence_from(value)
    raise NotImplementedError(f"{kind.__name__} is not received")


def sentence_from(value: object) -> Sentence:
    """Return the sentence that was encoded. A text is what former versions wrote.

    The process or file may be hostile: the id is checked before anything is put into it.
    """
    match value:
        case Sentence():
            return value
        case {"id": str(template), "args": dict(args)} if len(template) <= _LONGEST:
            kept = {str(name): _received(arg) for name, arg in args.items()}
            if is_template(template, kept):
                return Sentence(template, kept)
            return verbatim(template)
    return verbatim(str(value))


def is_template(template: str, args: Mapping[str, Value]) -> bool:
    """Return True if the template is well formed and each of its names is an argument with a fitting value."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        return False
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if _NAME.fullmatch(name) is None or name not in args or conversion not in (None, "r"):
            return False
        if spec and (_SPEC.fullmatch(spec) is None or isinstance(args[name], str)):
            return False
    return True


def _received(value: object) -> Value:
    return sentence_from(value) if isinstance(value, dict) else _kept(value)


def _kept(value: object) -> Value:
    said = getattr(value, "sentence", None)
    if isinstance(said, Sentence):
        return said
    if isinstance(value, Sentence):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else _encodable(str(value))


def _encodable(text: str) -> str:
    """Surrogates, as the names of files that are no text have them, become their escapes: sentences are UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def sentence_of(error: BaseException) -> Sentence:
    """Return what an error says; the text as it is where it is none of this program's sentences."""
    said = getattr(error, "sentence", error.args[0] if error.args else None)
    return said if isinstance(said, Sentence) else verbatim(str(error))
