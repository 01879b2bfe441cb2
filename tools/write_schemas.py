"""Write ``domain/schemas/`` from the dataclasses. A changed schema gets a new file beside the published ones.

What is published stands in logs, and an auditor holds it to be the same byte for byte. So a file there is never written
again: not even where only an explanation has changed.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fastavro.schema import parse_schema

from casetrail.domain.avro import (
    action_schema,
    checkpoint_schema,
    cosignature_schema,
    each_named_once,
    event_schema,
    record,
    record_kinds,
)
from casetrail.eventlog.schemas import schema_id

SCHEMAS = Path(__file__).resolve().parent.parent / "domain" / "schemas"


def files() -> dict[Path, str]:
    """Every file that belongs there, with its content."""
    made: dict[Path, str] = {}
    current = {}
    schemas = {
        "action": action_schema(),
        "event": event_schema(),
        "checkpoint": checkpoint_schema(),
        "cosignature": cosignature_schema(),
    }
    for name, schema in schemas.items():
        whole = each_named_once(schema)
        number = f"{schema_id(parse_schema(json.loads(json.dumps(whole)))):08x}"
        path = SCHEMAS / "published" / f"{name}-{number}.avsc"
        made[path] = _published(path, whole)
        made[SCHEMAS / f"{name.capitalize()}.avsc"] = _text(whole)
        current[name] = number
    made[SCHEMAS / "published" / "current.json"] = _text(current)
    for kind in record_kinds():
        made[SCHEMAS / f"{kind.__name__}.avsc"] = _text(each_named_once(record(kind)))
    return made


def _published(path: Path, schema: Any) -> str:
    """What belongs into a file of a published schema: what it holds, where only explanations differ. Raises ``ValueError``."""
    if not path.exists():
        return _text(schema)
    text = path.read_text("utf-8")
    if _unexplained(json.loads(text)) != _unexplained(json.loads(_text(schema))):
        raise ValueError(f"{path.name} is published: what readers take from it cannot change under the same id")
    return text


def _unexplained(value: Any) -> Any:
    """A schema without its explanations."""
    if isinstance(value, dict):
        return {key: _unexplained(one) for key, one in value.items() if key != "doc"}
    return [_unexplained(one) for one in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write what is missing or differs; 1 where ``--check`` was asked for and something did."""
    stale = [path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(path.relative_to(SCHEMAS.parent.parent))
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
