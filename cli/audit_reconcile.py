"""``casetrail audit reconcile``."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casetrail.cli import exits
from casetrail.cli.config import Config
from casetrail.cli.context import Failure, format_option, guarded, opened_keyring, opened_log, pass_config
from casetrail.cli.progress import progress_bar
from casetrail.cli.render import emit
from casetrail.domain.sealed import SealedField
from casetrail.eventlog.port import Topic

if TYPE_CHECKING:
    from casetrail.audit.reconciliation.ledger import Persons, TokensOf
    from casetrail.audit.reconciliation.persons import Opens
    from casetrail.domain.sealed import Token
    from casetrail.privacy.keyring import Keyring

IN_TABLE: Final = ("verdict", "line", "report_number", "case_id", "matched_by", "differences", "late_hours", "reason",
                   "evidence")  # fmt: skip


@click.command()
@click.argument("ledger", type=click.Path(path_type=Path))
@click.option("--mapping", type=click.Path(path_type=Path), required=True, help="TOML file; see docs/reconciling.md.")
@click.option(
    "--only-in-scope", is_flag=True,
    help="Look for each line among the reports of the mapping's scope alone: for a result that goes back to whose ledger it is.",
)  # fmt: skip
@format_option
@pass_config
@guarded
def reconcile(config: Config, ledger: Path, mapping: Path, only_in_scope: bool, form: str) -> None:
    """Compare a list of reports that somebody else kept with the log.

    LEDGER is a CSV file: a clinic's referrals, a hotline's calls, an old system's cases. Each of its lines is matched,
    late, different, missing or ambiguous; what only the log has is listed too. The rows name no person. Exit code 0
    only where every line is matched and nothing else is in the log.
    """
    from casetrail.audit.reconciliation.ledger import Ledger
    from casetrail.audit.reconciliation.mapping import read_settings
    from casetrail.audit.reconciliation.reconcile import COLUMNS
    from casetrail.audit.reconciliation.reconcile import reconcile as reconciled

    for file in (ledger, mapping):
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is no plain file"
            raise Failure(f"{file} {what}" if file.exists() else f"there is no file {file}", exits.NOT_FOUND)
    opened = Ledger(ledger, read_settings(mapping))
    if only_in_scope and not opened.mapping.scope.wanted:
        raise click.UsageError(
            "--only-in-scope needs a [scope] in the mapping, such as reported_in = the ledger's agency"
        )
    with ExitStack() as stack:
        keyring = stack.enter_context(_keyring(config)) if opened.mapping.persons else None
        tokens_of, opens = (None, None) if keyring is None else (tokens_with(keyring), opened_with(keyring))
        log = stack.enter_context(opened_log(config))
        total = _lines(ledger) + sum(log.end_offsets(Topic.EVENTS).values())
        with progress_bar("reading ledger and log", total) as progress:
            found = stack.enter_context(
                closing(reconciled(log, opened, tokens_of, progress, opens=opens, only_in_scope=only_in_scope))
            )
        if form == "table":
            emit(map(_in_table, found.rows()), IN_TABLE, form, "ledger and log")
        else:
            emit(found.rows(), COLUMNS, form)
    counted = ", ".join(f"{verdict.value} {count}" for verdict, count in sorted(found.counts.items()))
    click.echo(counted or "nothing to compare", err=True)
    for note in found.notes:
        click.echo(note, err=True)
    if not found.is_clean:
        click.get_current_context().exit(exits.FAULTS)


def _keyring(config: Config) -> "AbstractContextManager[Keyring]":
    """The keyring. A new one would recognise nobody: there must be one."""
    if not _has_keyring(config.keyring_url()):
        raise Failure(
            "the mapping has [tokens], but there is no keyring: name the one with which the reports were submitted",
            exits.NOT_FOUND,
        )
    return closing(opened_keyring(config))


def tokens_with(keyring: "Keyring") -> "TokensOf":
    """Makes the tokens of persons with the log's token key."""
    key = keyring.token_key()
    return lambda persons: tuple(_tokens(key, persons))


def opened_with(keyring: "Keyring") -> "Opens":
    """Tells whether what was sealed in a case was sealed under this keyring's key of the case."""
    from casetrail.privacy.errors import KeyDestroyed, KeyMissing, NotSealable, SealBroken
    from casetrail.privacy.sealing import unseal

    def opens(case_id: str, action_id: bytes, fields: Sequence[SealedField]) -> bool:
        try:
            for one in fields:
                unseal(keyring.case_key(case_id), case_id, action_id, one)
        except (KeyDestroyed, KeyMissing, NotSealable, SealBroken):
            return False
        return bool(fields)

    return opens


def _has_keyring(url: str) -> bool:
    if url.startswith("sqlite:"):
        return Path(url.removeprefix("sqlite:")).is_file()
    if url.startswith(("postgresql://", "postgres://")):
        from casetrail.privacy.keyring_postgres import is_made

        return is_made(url)
    return True  # no address of a keyring: opening it says so


def _tokens(key: bytes, persons: "Persons") -> "Iterator[Token]":
    """With and without the date of birth, however it was submitted. A name of nothing but signs has no token."""
    from casetrail.privacy.errors import NothingToRecognise
    from casetrail.privacy.tokens import address_token, child_token, suspect_token

    for make, name, born in (
        (child_token, persons.child, persons.child_born),
        (suspect_token, persons.suspect, persons.suspect_born),
    ):
        if name:
            with suppress(NothingToRecognise):
                yield make(key, name)
                yield make(key, name, born)
    if persons.address:
        with suppress(NothingToRecognise):
            yield address_token(key, persons.address)


def _in_table(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: differences in words, of the evidence where it stands and the beginning of its hash."""
    differences = "; ".join(f"{one['code']}: {one['ledger']} ≠ {one['log']}" for one in row["differences"])
    evidence = [
        f"{one['case_id']}#{one['number']}@{one['partition']}/{one['offset']}:{one['hash'].hex()[:12]}"
        for one in row["evidence"]
    ]
    meant = [
        f"{name.replace('_', ' ')} {' '.join(map(str, row[name]))}"
        for name in ("candidates", "other_lines")
        if row[name]
    ]
    return row | {"differences": differences, "evidence": evidence, "reason": row["reason"] or "; ".join(meant)}


def _lines(file: Path) -> int:
    with file.open("rb") as opened:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(1 << 20), b""))
