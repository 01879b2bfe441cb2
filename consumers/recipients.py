"""Who is reached where: a TOML file of addresses, for the ids and desks that events name."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from casetrail.consumers.outbox_email import EmailTransport, MailServer, Security
from casetrail.consumers.outbox_file import FileTransport
from casetrail.consumers.outbox_webhook import LOOPBACK, WebhookTransport, check_url, secret_of
from casetrail.consumers.transport import Transport

DEFAULT: Final = "*"
KINDS: Final = {"email": {"email"}, "webhook": {"webhook", "secret_file"}, "file": {"file"}}
MAIL: Final = {"host", "port", "security", "from", "user", "password_file", "authority"}


class RecipientsInvalid(ValueError):
    """The file of addresses cannot be used. The message says where, and what is wanted there."""

    code = "recipients-invalid"


class Recipients:
    """Addresses by who is told. ``*`` is for everybody who has none."""

    def __init__(self, by_id: Mapping[str, Sequence[Transport]]) -> None:
        self._by_id = by_id
        self.transports = {one.address: one for some in by_id.values() for one in some}

    def of(self, who: str) -> tuple[Sequence[Transport], bool]:
        """Where somebody is reached, and whether that is only by default."""
        found = self._by_id.get(who)
        return (self._by_id[DEFAULT], True) if found is None else (found, False)


def load_recipients(path: Path) -> Recipients:
    """The addresses in a file. Raises ``RecipientsInvalid``. Files that it names are looked for beside it."""
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise RecipientsInvalid(f"{path} cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipientsInvalid(f"{path} cannot be read: {error}") from error
    reader = _Reader(path)
    reader.only(found, {"mail", "addresses"}, "the file")
    mail = reader.mail(found["mail"]) if "mail" in found else None
    addresses = found.get("addresses")
    if not isinstance(addresses, dict) or DEFAULT not in addresses:
        raise reader.wrong("addresses", f'it needs "{DEFAULT}": where everybody is reached who has no address')
    return Recipients({who: reader.transports(who, some, mail) for who, some in addresses.items()})


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, where: str, why: str) -> RecipientsInvalid:
        return RecipientsInvalid(f"{self._path}, {where}: {why}")

    def only(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        if unknown := sorted(set(table) - known):
            raise self.wrong(where, f"there is no '{unknown[0]}'; there are {', '.join(sorted(known))}")

    def text(self, table: Mapping[str, Any], name: str, where: str) -> str:
        value = table.get(name)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.wrong(where, f"'{name}' must be a text on one line")
        return value

    def file(self, name: str, where: str) -> str:
        """The first line of a file that holds a secret."""
        try:
            lines = (self._path.parent / name).read_text("utf-8").splitlines()
        except OSError as error:
            raise self.wrong(where, f"the file {name} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise self.wrong(where, f"the file {name} is not in UTF-8") from error
        if not lines or not lines[0]:
            raise self.wrong(where, f"the file {name} is empty")
        return lines[0]

    def mail(self, table: Any) -> MailServer:
        where = "mail"
        if not isinstance(table, dict):
            raise self.wrong(where, "it must be a table")
        self.only(table, MAIL, where)
        host, security = self.text(table, "host", where), table.get("security", Security.STARTTLS.value)
        if security not in Security._value2member_map_:
            raise self.wrong(where, f"'security' must be one of {', '.join(Security)}")
        if security == Security.NONE and host not in LOOPBACK:
            raise self.wrong(where, "without TLS mail goes to this host only: set security to starttls or tls")
        port = table.get("port", 465 if security == Security.TLS else 587)
        if not isinstance(port, int) or not 0 < port < 65_536:
            raise self.wrong(where, "'port' must be a number from 1 to 65535")
        password = self.file(self.text(table, "password_file", where), where) if "password_file" in table else None
        user = self.text(table, "user", where) if "user" in table else None
        authority = str(self._path.parent / self.text(table, "authority", where)) if "authority" in table else None
        return MailServer(host, port, Security(security), self.text(table, "from", where), user, password, authority)

    def transports(self, who: str, some: Any, mail: MailServer | None) -> list[Transport]:
        where = f'addresses."{who}"'
        listed = some if isinstance(some, list) else [some]
        if not listed or not all(isinstance(one, dict) for one in listed):
            raise self.wrong(where, f"it must be a table, or a list of tables, each with one of {', '.join(KINDS)}")
        return [self._transport(one, where, mail) for one in listed]

    def _transport(self, table: Mapping[str, Any], where: str, mail: MailServer | None) -> Transport:
        kinds = [kind for kind in KINDS if kind in table]
        if len(kinds) != 1:
            raise self.wrong(where, f"it must have one of {', '.join(KINDS)}")
        (kind,) = kinds
        self.only(table, KINDS[kind], where)
        value = self.text(table, kind, where)
        if kind == "file":
            return FileTransport(self._path.parent / value)
        if kind == "email":
            if mail is None:
                raise self.wrong(where, "mail needs a table [mail] that says by which server")
            if "@" not in value:
                raise self.wrong(where, "'email' must be an address")
            return EmailTransport(mail, value)
        try:
            check_url(value)
            secret = secret_of(self.file(self.text(table, "secret_file", where), where))
        except ValueError as error:
            if isinstance(error, RecipientsInvalid):
                raise
            raise self.wrong(where, str(error)) from error
        return WebhookTransport(value, secret)
