"""What the Trustee keeps, in one SQLite file: entries by namespace and key, and sessions.

Entries are an owner's words: a write returns after it is on the disk (synchronous FULL). Sessions
live for minutes and survive the process, not a power cut (synchronous NORMAL). Both are in a
write-ahead log, so that no crash leaves half a write (trustee spec §15 for the namespaces).
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from casemate.errors import HostError

POLICIES: Final = "kbs"
RESOURCES: Final = "repository"
ATTESTATION_POLICIES: Final = "attestation_service_policy"
REFERENCE_VALUES: Final = "reference_value"
CHALLENGE_KEYS: Final = "challenge_key"
"""By TEE: 32 random bytes, ours; what challenges are sealed with. Never leaves this file."""

_MIGRATIONS: Final = (
    """
    CREATE TABLE entries (
        namespace TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID;
    CREATE TABLE sessions (id TEXT PRIMARY KEY, expires REAL NOT NULL, value BLOB NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX sessions_by_expiry ON sessions (expires);
    """,
)
"""Step n brings schema n to n + 1. Steps are added, never changed."""


class Storage:
    """The open file. One process, one thread; a second process waits five seconds for a lock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries = self._connect("FULL")
        self._sessions = self._connect("NORMAL")
        self._migrate()

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Write an entry, over an older one; it is on the disk when this returns."""
        self._run(
            self._entries,
            "INSERT INTO entries VALUES (?, ?, ?)"
            " ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value",
            (namespace, key, value),
        )

    def put_if_absent(self, namespace: str, key: str, value: bytes) -> None:
        """Write an entry unless there is one."""
        self._run(
            self._entries, "INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", (namespace, key, value)
        )

    def get(self, namespace: str, key: str) -> bytes | None:
        """Read an entry."""
        statement = "SELECT value FROM entries WHERE namespace = ? AND key = ?"
        rows = self._run(self._entries, statement, (namespace, key))
        return rows[0][0] if rows else None

    def items(self, namespace: str) -> list[tuple[str, bytes]]:
        """Read all entries of a namespace, by key."""
        statement = "SELECT key, value FROM entries WHERE namespace = ? ORDER BY key"
        return self._run(self._entries, statement, (namespace,))

    def delete(self, namespace: str, key: str) -> bool:
        """Remove an entry; tell whether there was one."""
        statement = "DELETE FROM entries WHERE namespace = ? AND key = ? RETURNING 1"
        return bool(self._run(self._entries, statement, (namespace, key)))

    def put_session(self, name: str, value: bytes, *, expires: float) -> None:
        """Write a session; a new one ends at ``expires`` (seconds since the epoch)."""
        statement = (
            "INSERT INTO sessions VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET value = excluded.value"
        )
        self._run(self._sessions, statement, (name, expires, value))

    def get_session(self, name: str, *, now: float) -> bytes | None:
        """Read a session that has not ended."""
        statement = "SELECT value FROM sessions WHERE id = ? AND expires > ?"
        rows = self._run(self._sessions, statement, (name, now))
        return rows[0][0] if rows else None

    def sweep_sessions(self, *, now: float) -> int:
        """Remove sessions that have ended; give how many are left."""
        self._run(self._sessions, "DELETE FROM sessions WHERE expires <= ?", (now,))
        return int(self._run(self._sessions, "SELECT count(*) FROM sessions", ())[0][0])

    def close(self) -> None:
        """Close the file."""
        self._sessions.close()
        self._entries.close()

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._file, isolation_level=None, timeout=5)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA secure_delete = ON")
        except (OSError, sqlite3.Error) as error:
            raise _failed(self._file, error) from error
        return connection

    def _migrate(self) -> None:
        version = int(self._run(self._entries, "PRAGMA user_version", ())[0][0])
        if version > len(_MIGRATIONS):
            raise HostError(
                str(self._file),
                got=f"schema {version}",
                want=f"at most {len(_MIGRATIONS)}",
                remedy="A newer Casemate wrote it; start that one.",
            )
        for number, step in enumerate(_MIGRATIONS[version:], start=version + 1):
            script = f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;"
            try:
                self._entries.executescript(script)
            except sqlite3.Error as error:
                raise _failed(self._file, error) from error

    def _run(self, connection: sqlite3.Connection, statement: str, values: Any) -> list[Any]:
        try:
            with closing(connection.execute(statement, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise _failed(self._file, error) from error


def _failed(file: Path, error: Exception) -> HostError:
    return HostError(
        str(file),
        got=error,
        want="a database that can be read and written",
        remedy="Is the disk full, the folder ours, the file undamaged?",
    )
