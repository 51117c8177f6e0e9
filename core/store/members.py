"""Who may do what in a study on a server: logins in the roles reader, lead, trainer and auditor."""

from __future__ import annotations

import msgspec

from core.domain.errors import StudyError
from core.domain.messages import message
from core.store.backend import Member
from core.store.database import Database
from core.store.readers import ReaderRepository

ROLES = ("reader", "lead", "trainer", "auditor")


class MemberRepository:
    """The database keeps to these rights itself, whatever program a login uses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Member, ...]:
        with self._database.read() as connection:
            return self._database.backend.members(connection)

    def grant(self, login: str, role: str, *, reader: str = "") -> Member:
        """Give a login of the server a role; as a reader it works as the reader of this name, who is added if new.

        StudyError for another role, for a reader without a name, and for a study whose database is in its folder.
        """
        if role not in ROLES:
            raise StudyError(
                message("{role} is not a role; choose one of {roles}.", role=role, roles=", ".join(ROLES))
            )
        if (role == "reader") != bool(reader.strip()):
            raise StudyError(
                message("A login of the role reader needs the name of a reader, and only such a login.")
            )
        with self._database.write() as transaction:
            person = ReaderRepository(self._database).ensure(reader.strip()) if reader else None
            member = Member(login=login, role=role, reader_id=None if person is None else person.id)
            self._database.backend.set_member(transaction.connection, member)
            transaction.record("member.grant", f"login {login}", new=msgspec.to_builtins(member))
        return member

    def revoke(self, login: str) -> None:
        """Take every right in the study from a login."""
        with self._database.write() as transaction:
            self._database.backend.set_member(transaction.connection, Member(login=login, role=""))
            transaction.record("member.revoke", f"login {login}")
