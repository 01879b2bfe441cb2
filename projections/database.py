"""The two databases that views live in, behind what they have in common. Statements are written with ``?`` marks."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from casetrail.eventlog.transaction import begin_soon, file_at, write_ahead
from casetrail.projections.backfill import MOST_PAGES, Backfill
from casetrail.projections.errors import (
    OWN,
    ViewAddressBad,
    ViewDamaged,
    ViewError,
    ViewMissing,
    ViewMoved,
    ViewUnreachable,
)
from casetrail.projections.judgement_tables import CLOCK, JUDGEMENT_BULK
from casetrail.projections.tables import BULK_TABLES, TABLES, Table

Row = tuple[Any, ...]
T = TypeVar("T")
SCHEMA: Final = "casetrail"
KIND: Final = re.compile(r"[a-z][a-z0-9+]*:(//)?")
PATIENCE: Final = 30.0
"""Seconds that others who write into the same file are waited for."""
PART: Final = 50_000
MOST_VARIABLES: Final = 500
"""As many values as a statement takes, on any build of SQLite."""


class Database(Protocol):
    """A database with views."""

    types: Mapping[str, str]
    """Its own names of types, where they differ from ``rows.Column``'s."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows that a query gives."""

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""

    def run_many(self, statement: str, rows: Iterable[Row]) -> None:
        """Run a statement for each of many rows."""

    def load(self, table: Table, rows: Iterable[Row]) -> None:
        """Write many new rows into a table, the fastest way that there is."""

    def transaction(self) -> Any:
        """``with database.transaction():`` all or nothing."""

    def has(self, table: str) -> bool:
        """Whether there is a table of this name."""

    def exists(self) -> bool:
        """Whether the tables of the views are there."""

    def keep_following(self) -> None:
        """Until it is closed it is written to again and again, a little each time, and readers wait for that."""

    def close(self) -> None: ...


class SqliteDatabase:
    """Views in an SQLite file. The path is a link to the file of the newest build, so that a rebuild can swap it."""

    types: Mapping[str, str] = {}

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if not create and not path.exists():
            raise ViewMissing(f"there are no views at {path}; 'casetrail views rebuild' makes them")
        self._path = path
        self._backfill: Backfill | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = file_at(path)  # before it is opened: what is swapped in meanwhile is then seen as another file
            mode = "rwc" if create else "rw"  # not an empty file in the place of one that was swapped just now
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", isolation_level=None, check_same_thread=False, timeout=PATIENCE,
                uri=True,
            )  # fmt: skip
            write_ahead(self._database, PATIENCE)
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA cache_size=-65536")
            self._file = found or file_at(path)
        except (sqlite3.Error, OSError) as error:
            raise _unusable(f"the views at {path} cannot be opened ({error})", error) from error

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with _sqlite_errors():
            return self._database.execute(statement, values).fetchall()

    def parts(self, statement: str, values: Sequence[Any] = ()) -> Iterator[list[Row]]:
        """The rows that a query gives, many at a time: for more than fit into memory."""
        with _sqlite_errors():
            cursor = self._database.execute(statement, values)
            while rows := cursor.fetchmany(PART):
                yield rows

    def beside(self) -> "SqliteDatabase":
        """The same views for another thread. Raises ``ViewMoved`` where rebuilt ones have taken their place."""
        found = SqliteDatabase(self._path)
        if not found._file == self._file == file_at(self._path):  # before it was opened, and since
            found.close()
            raise ViewMoved(f"the views at {self._path} have been replaced by rebuilt ones")
        return found

    def interrupt(self) -> None:
        """Break off what another thread asks for: that raises there."""
        self._database.interrupt()

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        with _sqlite_errors():
            return self._database.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterable[Row]) -> None:
        with _sqlite_errors():
            self._database.executemany(statement, rows)

    def load(self, table: Table, rows: Iterable[Row]) -> None:
        at_once = MOST_VARIABLES // len(table.columns)  # a statement for each row takes half as long again
        statement, left = table.insert(at_once), iter(rows)
        with _sqlite_errors():
            while len(some := list(islice(left, at_once))) == at_once:
                self._database.execute(statement, tuple(chain.from_iterable(some)))
        self.run_many(table.insert(), some)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with _sqlite_errors():
            begin_soon(self._database, PATIENCE)
        try:
            if file_at(self._path) != self._file:
                raise ViewMoved(f"the views at {self._path} have been replaced by rebuilt ones")
            yield
            with _sqlite_errors():
                self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def has(self, table: str) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def exists(self) -> bool:
        return self.has("form")

    def keep_following(self) -> None:
        if self._backfill is None:
            self.run(f"PRAGMA wal_autocheckpoint={MOST_PAGES}")
            self._backfill = Backfill(self._path)

    def close(self) -> None:
        if self._backfill is not None:
            self._backfill.close()
        self._database.close()


@contextmanager
def _sqlite_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except UnicodeEncodeError:
        raise _no_text() from None
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise  # a fault of this program
        raise _unusable(f"the views cannot be read or written: {error}", error) from error


def _unusable(what: str, error: Exception) -> ViewError:
    """What an error of SQLite or of the disk means. Damage does not pass, and is mended: all that is in views stands in the log."""
    if type(error) is not sqlite3.DatabaseError:  # its subclasses are of a disk, a lock or a statement
        return ViewUnreachable(
            f"{what}; look for another process, and at disk, owner and mode, of the folder too; {OWN}"
        )
    return ViewDamaged(f"{what}; they are damaged, and 'casetrail views rebuild' makes them anew from the log")


class PostgresDatabase:
    """Views in a schema of a PostgreSQL database."""

    types: Mapping[str, str] = {"BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}  # texts sort as they do in SQLite

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        import psycopg  # late: the command line need not pay for it when the views are in SQLite

        self.schema = schema
        self._lost = psycopg.OperationalError
        self._no_text = (UnicodeEncodeError, psycopg.DataError)
        self._unheld = (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.ProgramLimitExceeded)
        _check_address(url)
        try:
            self._connection: psycopg.Connection[Row] = psycopg.connect(url, autocommit=True, connect_timeout=5)
            self._connection.execute(f"SET search_path TO {schema}")
        except psycopg.OperationalError as error:
            raise ViewUnreachable(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._errors():
            return self._connection.execute(_marks(statement), values).fetchall()

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        with self._errors():
            return self._connection.execute(_marks(statement), values).rowcount

    def run_many(self, statement: str, rows: Iterable[Row]) -> None:
        with self._errors(_no_event), self._connection.cursor() as cursor:
            cursor.executemany(_marks(statement), rows)

    def load(self, table: Table, rows: Iterable[Row]) -> None:
        types = ["bytea" if column.type == "BLOB" else column.type.lower() for column in table.columns]
        statement = f"COPY {table.name} FROM STDIN (FORMAT BINARY)"
        with self._errors(_no_event), self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([{"bigint": "int8"}.get(name, name) for name in types])
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._errors(), self._connection.transaction():
            yield

    def has(self, table: str) -> bool:
        found = self.rows(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", (self.schema, table)
        )
        return bool(found)

    def exists(self) -> bool:
        return self.has("form")

    def keep_following(self) -> None:
        """Nothing need be done: PostgreSQL writes beside who asks."""

    @contextmanager
    def _errors(self, refusal: Callable[[], ViewError] | None = None) -> Iterator[None]:
        """``refusal``: what a text is answered with that PostgreSQL does not hold; else it was asked for."""
        try:
            yield
        except self._unheld:
            raise (refusal or _no_event)() from None
        except self._lost as error:
            raise ViewUnreachable(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error
        except self._no_text as error:
            if isinstance(error, UnicodeEncodeError) or "NUL" in str(error):
                raise (refusal or _no_text)() from None
            raise

    def close(self) -> None:
        self._connection.close()


def _check_address(url: str) -> None:
    """Refuse what cannot be parsed, or not as it was meant: PostgreSQL's own message repeats a piece of the password.

    Raises ``ViewAddressBad``.
    """
    import psycopg

    authority, _, path = url.partition("://")[2].partition("/")
    try:
        psycopg.conninfo.conninfo_to_dict(url)
        parsed = authority.count("@") < 2 and "@" not in path.partition("?")[0]
    except psycopg.ProgrammingError:
        parsed = False
    if not parsed:
        raise ViewAddressBad(
            "the address of the views cannot be parsed: percent-encode the password ('@' is %40, '%' is %25, '/' is %2F), or "
            "leave it to PGPASSWORD or a file ~/.pgpass"
        ) from None


def _no_text() -> ViewError:
    return ViewError("a value that was asked for has a character that no text in a database can have")


def _no_event() -> ViewError:
    return ViewError(
        "an event has a text that PostgreSQL cannot hold (a NUL character, or one too long for an index), and no recorder "
        "writes such an event: 'casetrail audit replay' names it"
    )


def _marks(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


def marks(values: Sized) -> str:
    """As many marks as there are values, for ``IN (…)``."""
    return ", ".join("?" * len(values))


def in_parts(values: Sequence[T], size: int = MOST_VARIABLES) -> Iterator[Sequence[T]]:
    """Values, so many at a time: as many as a statement takes, unless another number is given."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def create_tables(database: Database, tables: Iterable[Table] = TABLES, *, bulk: bool = False) -> None:
    """Create tables; for a bulk load without keys and indexes (``create_indexes`` adds them afterwards)."""
    for table in tables:
        database.run(table.create(database.types, with_key=not (bulk and table.name in BULK)))
        if not bulk:
            create_table_indexes(database, table)


def create_table_indexes(database: Database, table: Table, *, with_key: bool = False) -> None:
    """Create the indexes of one table."""
    for statement in table.create_indexes(with_key=with_key):
        database.run(statement)


def has_judgements(database: Database) -> bool:
    """Whether there are judgements beside the views."""
    return database.has(CLOCK.name)


BULK: Final = frozenset(table.name for table in (*BULK_TABLES, *JUDGEMENT_BULK))


def open_database(url: str, *, create: bool = False) -> Database:
    """Open the database at ``sqlite:PATH`` or ``postgresql://…``.

    Raises ``ViewUnreachable``, ``ViewMissing``, ``ViewAddressBad``.
    """
    if url.startswith("sqlite:"):
        return SqliteDatabase(Path(os.fspath(url.removeprefix("sqlite:"))), create=create)
    if url.startswith(("postgresql://", "postgres://")):
        database = PostgresDatabase(url)
        if create:
            database.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        return database
    kind = KIND.match(url)  # what is no kind could be a password
    said = f"'{kind[0]}…'" if kind else "what is configured"
    raise ViewAddressBad(f"{said} is no address of views: write sqlite:PATH or postgresql://…")
