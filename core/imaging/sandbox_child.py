"""Process in which functions that read foreign files run. Only ``core.imaging.sandbox`` starts it.

Protocol, over standard input and output: a request is one line of JSON. The reply is one line of JSON, followed by
the number of bytes that it states.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module

import msgspec

from core.domain.errors import MarginaliaError
from core.domain.messages import A_FILE, NOTHING, Sentence, encode_sentence, message
from core.imaging.decode_child import CPU_S, MEMORY_BYTES, shut_doors
from core.imaging.decoded import Refusal, RefusedImageError
from core.platform.system import limit_this_process

Entry = Callable[[bytes], bytes]
"""Type of the functions that may run here: from a document to a document."""


class ForeignTask(msgspec.Struct, frozen=True, kw_only=True):
    argument: bytes


class ForeignResult(msgspec.Struct, frozen=True, kw_only=True):
    """Reply header: ``size`` bytes follow, or the sentence describes the file's defect."""

    size: int = 0
    refusal: Refusal | None = None
    sentence: Sentence = NOTHING
    cpu_s: float = 0.0


def main(entry: str) -> None:
    """Answer requests until standard input ends. ``entry``: ``package.module:function``."""
    out = os.fdopen(os.dup(1), "wb")
    # what a library prints must not run into the protocol, and must not be seen: it may quote the file
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    limit_this_process(memory_bytes=MEMORY_BYTES, cpu_s=CPU_S)
    module, _, name = entry.partition(":")
    function: Entry = getattr(import_module(module), name)  # imported before the doors are shut
    sys.addaudithook(shut_doors)
    decoder, encoder = msgspec.json.Decoder(ForeignTask), msgspec.json.Encoder(enc_hook=encode_sentence)
    for line in sys.stdin.buffer:
        done, content = _answer(function, decoder.decode(line).argument)
        out.write(encoder.encode(done) + b"\n" + content)
        out.flush()


def _answer(function: Entry, argument: bytes) -> tuple[ForeignResult, bytes]:
    try:
        content = function(argument)
    except RefusedImageError as refused:
        return ForeignResult(refusal=refused.reason, sentence=refused.sentence, cpu_s=time.process_time()), b""
    except MarginaliaError as error:
        return ForeignResult(refusal=Refusal.UNSUPPORTED, sentence=error.sentence, cpu_s=time.process_time()), b""
    except BaseException as error:  # noqa: BLE001 (the boundary: extension modules raise what they like)
        # without its text, which may quote the file
        sentence = message(
            "{file} is damaged and could not be read ({error}).", file=A_FILE, error=type(error).__name__
        )
        return ForeignResult(refusal=Refusal.DAMAGED, sentence=sentence, cpu_s=time.process_time()), b""
    return ForeignResult(size=len(content), cpu_s=time.process_time()), content
