"""The encrypted and the plain way to a server, and why a connection did not come about, in one sentence."""

from __future__ import annotations

import logging
import socket
import ssl

from core.domain.errors import PacsError
from core.domain.messages import message
from core.pacs.profile import Profile, Tls

for _name in ("pynetdicom", "dicomweb_client", "urllib3"):
    # their messages may name patients; what the user needs to know is said in our own sentences
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


def client_context(profile: Profile) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer; certificates are verified unless the profile disables it."""
    tls = profile.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_own(context, tls)
    except (OSError, ValueError) as error:
        raise PacsError(
            message(
                "The certificate files of the profile {profile} cannot be used ({reason}); they must be "
                "PEM files.",
                profile=profile.name,
                reason=_reason(error),
            )
        ) from error
    return context


def server_context(profile: Profile) -> ssl.SSLContext:
    """For our receiver; with a CA file a sender must show a certificate that it signed."""
    tls = profile.tls
    if not tls.certificate:
        raise PacsError(
            message(
                "The profile {profile} is encrypted, but has no certificate and key of this computer, without "
                "which images cannot be received encrypted; add them to the profile.",
                profile=profile.name,
            )
        )
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.ca_file or None)
        if tls.ca_file and tls.verify:
            context.verify_mode = ssl.CERT_REQUIRED
        _load_own(context, tls)
    except (OSError, ValueError) as error:
        raise PacsError(
            message(
                "The certificate files of the profile {profile} cannot be used ({reason}); they must be "
                "PEM files.",
                profile=profile.name,
                reason=_reason(error),
            )
        ) from error
    return context


def _load_own(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.certificate:
        # an encrypted key would have the library ask on the terminal
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")


def diagnosis(profile: Profile, host: str, port: int) -> PacsError | None:
    """Try to connect and return the obstacle; None if the connection succeeds."""
    try:
        with socket.create_connection((host, port), timeout=profile.timeout_s) as plain:
            if profile.tls.on:
                with client_context(profile).wrap_socket(plain, server_hostname=host):
                    return None
    except OSError as error:
        return refusal(profile, f"{host}:{port}", error)
    return None


def refusal(profile: Profile, where: str, error: BaseException) -> PacsError:
    """The sentence for an error of the network; causes of causes are looked at."""
    name = f"{profile.name} ({where})"
    known = list(_chain(error))
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in known):
        why = next(one.verify_message for one in known if isinstance(one, ssl.SSLCertVerificationError))
        return PacsError(
            message(
                "The certificate of {name} is not trusted ({why}); give the CA file of your institution in the "
                "profile.",
                name=name,
                why=why,
            )
        )
    if any(isinstance(one, ssl.SSLError) for one in known):
        return PacsError(
            message(
                "No encrypted connection to {name} could be made: it does not speak TLS at this port, or "
                "requires a certificate of this computer. Check encryption and port in the profile.",
                name=name,
            )
        )
    if any(isinstance(one, ConnectionRefusedError) for one in known):
        return PacsError(
            message(
                "{name} does not answer: nothing listens there. Check host and port, or ask whether the PACS is "
                "down.",
                name=name,
            )
        )
    if any(isinstance(one, socket.gaierror) for one in known):
        return PacsError(message("{name} is not known on this network; check the name of the host.", name=name))
    if any(isinstance(one, TimeoutError) for one in known):
        return PacsError(
            message(
                "{name} did not answer within {seconds:g} s; check host and port, or try later.",
                name=name,
                seconds=profile.timeout_s,
            )
        )
    if any(isinstance(one, ConnectionError) for one in known):
        return PacsError(
            message(
                "{name} closed the connection without an answer; it may expect an encrypted connection, or not "
                "know this computer.",
                name=name,
            )
        )
    return PacsError(
        message(
            "{name} cannot be reached ({reason}); check the profile and the network.",
            name=name,
            reason=_reason(error),
        )
    )


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 32:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
