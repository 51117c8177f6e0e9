"""Rights in the database itself: what a login may read and change, whatever program it uses.

A login is a member of a study in one of four roles. A *reader* draws and labels as one reader of the study, and
sees what others drew and said of a lesion only after the own labels; a *trainer* reads everything and keeps runs,
models and splits; an *auditor* reads everything; a *lead* changes everything but the audit trail. Whoever made the
study owns its tables, and alone can forget patients, upgrade and move it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from core.store import schema
from core.store.backend import Member
from core.store.postgresql import presence
from core.store.postgresql.names import MEMBERS

READER, LEAD, TRAINER, AUDITOR = "reader", "lead", "trainer", "auditor"

_MAKE = """
CREATE TABLE IF NOT EXISTS {members} (
    login name PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('reader', 'lead', 'trainer', 'auditor')),
    reader_id varchar(64) COLLATE "C" REFERENCES reader (id),
    CHECK ((role = 'reader') = (reader_id IS NOT NULL))
);
ALTER TABLE {members} ENABLE ROW LEVEL SECURITY;
CREATE OR REPLACE FUNCTION my_role() RETURNS text {definer}
    AS $$ SELECT role FROM {members} WHERE login = session_user $$;
CREATE OR REPLACE FUNCTION my_reader() RETURNS text {definer}
    AS $$ SELECT reader_id FROM {members} WHERE login = session_user $$;
CREATE OR REPLACE FUNCTION my_name() RETURNS text {definer}
    AS $$ SELECT r.name FROM {members} m JOIN reader r ON r.id = m.reader_id WHERE login = session_user $$;
CREATE OR REPLACE FUNCTION i_adjudicate(lesion text) RETURNS boolean {definer}
    AS $$ SELECT EXISTS (SELECT 1 FROM assignment
            WHERE lesion_id = lesion AND reader_id = my_reader() AND purpose = 'adjudicate')
          AND NOT EXISTS (SELECT 1 FROM assignment
            WHERE lesion_id = lesion AND purpose = 'label' AND finished_utc IS NULL) $$;
CREATE OR REPLACE FUNCTION i_may_see(lesion text) RETURNS boolean {definer}
    AS $$ SELECT CASE mine.purpose
            WHEN 'label' THEN mine.finished_utc IS NOT NULL
            WHEN 'adjudicate' THEN i_adjudicate(lesion)
            ELSE EXISTS (SELECT 1 FROM label l
                WHERE l.reader_id = m.reader_id AND l.lesion_id = lesion AND l.margin IS NOT NULL) END
          FROM {members} m LEFT JOIN assignment mine ON mine.reader_id = m.reader_id AND mine.lesion_id = lesion
          WHERE m.login = session_user $$;
CREATE OR REPLACE FUNCTION i_am_alone(lesion text) RETURNS boolean {definer}
    AS $$ SELECT NOT EXISTS (SELECT 1 FROM label WHERE lesion_id = lesion AND reader_id <> my_reader())
          AND NOT EXISTS (SELECT 1 FROM annotation WHERE lesion_id = lesion AND reader_id <> my_reader()) $$;
CREATE OR REPLACE FUNCTION last_number(entered name) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = "{schema}", pg_temp
    AS $$ DECLARE found bigint; BEGIN
        EXECUTE format('SELECT coalesce(max(seq), 0) FROM %I', entered) INTO found; RETURN found; END $$;
CREATE OR REPLACE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = "{schema}", pg_temp
    AS $$ DECLARE head audit_head%ROWTYPE; BEGIN
        SELECT * INTO head FROM audit_head FOR UPDATE;
        IF FOUND THEN
            IF NEW.counter <> head.counter + 1 OR NEW.previous <> head.sha256 THEN
                RAISE EXCEPTION 'the record does not follow the newest one of the audit trail'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            UPDATE audit_head SET counter = NEW.counter, sha256 = NEW.sha256;
        END IF;
        PERFORM pg_notify(TG_TABLE_SCHEMA, '');
        RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER audit_follows BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follows();
"""
_DEFINER = 'LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "{schema}", pg_temp'

_OTHERS = "my_role() IN ('lead', 'trainer', 'auditor')"
_BLIND = "(reader_id IS NULL OR reader_id = my_reader() OR i_may_see(lesion_id))"
_SEEN = {
    "annotation": _BLIND,
    "label": _BLIND,
    "case_reading": _BLIND,
    "reading": _BLIND,
    "opinion": "(who = my_name() OR i_may_see(lesion_id))",
    "removed_lesion": "false",
    "assignment": "(reader_id = my_reader() OR i_may_see(lesion_id))",
    "consensus": "i_may_see(lesion_id)",
    "audit": "(subject NOT LIKE '% reader %' OR subject LIKE '% reader ' || my_reader()) "
    "AND (action !~ '^(review|consensus)[.]' OR who = my_name())",
}
"""Rows of others that a reader sees, by table."""
_OWN = {
    "annotation": "reader_id = my_reader()",
    "label": "reader_id = my_reader()",
    "case_reading": "reader_id = my_reader()",
    "reading": "reader_id = my_reader()",
    "opinion": "who = my_name()",
    "removed_lesion": "false",
    "assignment": "(reader_id = my_reader() AND purpose = 'label')",
    "consensus": "(reader_id = my_reader() AND i_adjudicate(lesion_id))",
    "audit": "(subject NOT LIKE '% reader %' OR subject LIKE '% reader ' || my_reader())",
}
"""Rows that a reader may write, by table."""
_CHANGED = {"assignment": "(finished_utc IS NULL OR i_am_alone(lesion_id))"}
"""Own rows that a reader may change, where not all: first labels stay once those of others were to be seen."""

_CHANGES = {
    READER: {
        "INSERT": (
            "annotation",
            "label",
            "case_reading",
            "reading",
            "opinion",
            "consensus",
            "lesion",
            "finding",
            "audit",
        ),
        "UPDATE": ("label", "case_reading", "opinion", "lesion"),
        "UPDATE (finished_utc, labels, revision)": ("assignment",),
    },
    TRAINER: {
        "INSERT": ("run", "model_revision", "active_revision", "split", "split_part", "reader_study", "audit"),
        "UPDATE": ("run", "active_revision"),
    },
    AUDITOR: {},
}
"""Tables that a role changes; a lead changes all but the trail, to which it adds."""
_TRAIL = frozenset({"audit", "audit_head"})


def make_rights(connection: Connection, name: str) -> None:
    """Make what the rights rest on, or bring it up to date: members, policies, and the guard of the chain."""
    definer = _DEFINER.format(schema=name)
    raw = connection.connection.cursor()
    raw.execute(_MAKE.format(members=MEMBERS, definer=definer, schema=name))
    raw.execute(presence.MAKE.format(schema=name))
    for table in _SEEN:
        raw.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        for policy, verb, rule in _policies(table):
            raw.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
            raw.execute(f"CREATE POLICY {policy} ON {table} FOR {verb} {rule}")
    raw.execute("DROP FUNCTION IF EXISTS i_labelled(text)")  # of layout 0008
    raw.execute(f'REVOKE ALL ON ALL FUNCTIONS IN SCHEMA "{name}" FROM PUBLIC')
    raw.close()
    for login, role in connection.execute(text(f"SELECT login, role FROM {MEMBERS}")).all():
        _grant(connection, name, str(login), str(role))


def _policies(table: str) -> Iterator[tuple[str, str, str]]:
    yield "sees", "SELECT", f"USING ({_OTHERS} OR {_SEEN[table]})"
    writes = f"my_role() = 'lead' OR (my_role() = 'reader' AND {_OWN[table]})"
    if table == "audit":
        writes = f"my_role() IN ('lead', 'trainer') OR (my_role() = 'reader' AND {_OWN[table]})"
    yield "enters", "INSERT", f"WITH CHECK ({writes})"
    changed = writes
    if table in _CHANGED:
        changed = f"my_role() = 'lead' OR (my_role() = 'reader' AND {_OWN[table]} AND {_CHANGED[table]})"
    yield "changes", "UPDATE", f"USING ({changed}) WITH CHECK ({writes})"
    yield "deletes", "DELETE", "USING (my_role() = 'lead')"


def set_member(connection: Connection, name: str, member: Member) -> None:
    """Give a login of the server these rights in the study, in place of those that it had."""
    connection.execute(text(f"DELETE FROM {MEMBERS} WHERE login = :login"), {"login": member.login})
    who = _quoted(member.login)
    for what in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        connection.exec_driver_sql(f'REVOKE ALL ON ALL {what} IN SCHEMA "{name}" FROM {who}')
    connection.exec_driver_sql(f"REVOKE UPDATE (id) ON audit_head FROM {who}")
    connection.exec_driver_sql(f'REVOKE ALL ON SCHEMA "{name}" FROM {who}')
    if member.role:
        row = {"login": member.login, "role": member.role, "reader": member.reader_id}
        connection.execute(text(f"INSERT INTO {MEMBERS} VALUES (:login, :role, :reader)"), row)
        _grant(connection, name, member.login, member.role)


def members(connection: Connection) -> tuple[Member, ...]:
    rows = connection.execute(text(f"SELECT login, role, reader_id FROM {MEMBERS} ORDER BY login"))
    return tuple(Member(login=str(row[0]), role=str(row[1]), reader_id=row[2]) for row in rows)


def sees_all(connection: Connection) -> bool:
    """Return False for a login from which rows of others are kept."""
    return bool(connection.execute(text("SELECT my_role()")).scalar_one() != READER)


def owns_tables(connection: Connection) -> bool:
    owner = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'audit'::regclass")
    return bool(connection.execute(owner).scalar_one())


def _grant(connection: Connection, name: str, login: str, role: str) -> None:
    run, who = connection.exec_driver_sql, _quoted(login)
    run(f'GRANT USAGE ON SCHEMA "{name}" TO {who}')
    run(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{name}" TO {who}')
    run(f'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA "{name}" TO {who}')
    if role == AUDITOR:
        return
    run(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "{name}" TO {who}')
    # to lock the head of the trail; a record moves it
    run(f"GRANT UPDATE (id) ON audit_head TO {who}")
    if role == LEAD:
        for table in schema.metadata.tables.keys() - _TRAIL:
            run(f'GRANT INSERT, UPDATE, DELETE ON "{table}" TO {who}')
        run(f"GRANT INSERT ON audit TO {who}")
        return
    for verb, tables in _CHANGES[role].items():
        for table in tables:
            run(f'GRANT {verb} ON "{table}" TO {who}')


def _quoted(login: str) -> str:
    doubled = login.replace('"', '""').replace("%", "%%")
    return f'"{doubled}"'
