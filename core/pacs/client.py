"""Opens a connection to a PACS from its profile."""

from __future__ import annotations

from core.pacs.connection import Pacs
from core.pacs.profile import DicomwebProfile, Profile


def connect(profile: Profile, secret: str = "") -> Pacs:
    """A client for the profile. ``secret``: password or token, where the profile's login needs one."""
    if isinstance(profile, DicomwebProfile):
        from core.pacs.dicomweb import Dicomweb

        return Dicomweb(profile, secret)
    from core.pacs.dimse import Dimse

    return Dimse(profile)
