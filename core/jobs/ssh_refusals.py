"""Why another machine cannot be used, from what ssh or its shell wrote: one sentence that says what to do."""

from __future__ import annotations

import re

from core.domain.messages import Sentence, message, template
from core.jobs.hosts import RemoteHost

_CAUSES = (
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        template(
            "its key is not known here, or has changed; log in once by hand and compare the key: ssh {address}"
        ),
    ),
    (
        r"Permission denied",
        template(
            "it accepts no key that ssh may use without asking; load the key with ssh-add, or send it there with "
            "ssh-copy-id {address}"
        ),
    ),
    (r"Could not resolve hostname", template("its name is not known to the network; check the address {address}")),
    (
        r"Connection refused",
        template("nothing answers at the port of ssh there; check that sshd runs, and the port"),
    ),
    (r"timed out|No route to host|Network is unreachable", template("it does not answer; check the network")),
    (r"cd: .*|can't cd to", template("it has no folder {program}; correct it with marginalia hosts add")),
    (r"main\.py.*No such file", template("the folder {program} there does not hold this program")),
    (r"not found|No such file or directory", template("it has no {python}; name the python there with --python")),
    (r"No module named", template("the python there ({python}) lacks packages of this program")),
    (r"No space left on device|Disk quota exceeded", template("its disk is full")),
)


def why_refused(host: RemoteHost, words: str) -> Sentence:
    """Return the sentence for a machine that could not be reached, or whose program did not start.

    ``words`` is what was written to standard error there and by ssh; its last line is quoted.
    """
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    quoted = f" ({lines[-1].removesuffix('.')})" if lines else ""
    for pattern, cause in _CAUSES:
        if re.search(pattern, words):
            said = message(cause, address=host.address, program=host.program, python=host.python)
            return message("{host} cannot be used: {cause}{quoted}.", host=host.name, cause=said, quoted=quoted)
    return message(
        "{host} could not be reached, or its program did not start{quoted}.", host=host.name, quoted=quoted
    )
