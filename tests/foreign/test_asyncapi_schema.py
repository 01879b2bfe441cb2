"""docs/asyncapi.yaml holds to the AsyncAPI initiative's own JSON schema, which npm brings."""

import json
import os
import shutil
import subprocess
import tarfile
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.servers.kafka import ROOT

pytestmark = pytest.mark.broker  # it needs no broker, but like the others here a tool of another language
SPECS: Final = "6.11.1"
CACHED: Final = ROOT / ".cache" / f"asyncapi-specs-{SPECS}"


def asyncapi_schema() -> Any:
    """The JSON schema of AsyncAPI 3.0 with its bindings, brought by npm once."""
    if not CACHED.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.fail(
                "checking docs/asyncapi.yaml needs the package @asyncapi/specs, which npm brings: install npm, or "
                "leave this test out by name with 'make test-embedded'",
                pytrace=False,
            )
        fresh = CACHED.with_name(f"{CACHED.name}.{os.getpid()}")
        fresh.mkdir(parents=True)
        command = [npm, "pack", "--silent", f"@asyncapi/specs@{SPECS}"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"npm could not bring @asyncapi/specs: {(done.stdout + done.stderr)[-2000:]}", pytrace=False)
        with tarfile.open(next(fresh.glob("*.tgz"))) as packed:
            packed.extract("package/schemas/3.0.0.json", fresh, filter="data")
        fresh.rename(CACHED)
    return json.loads((CACHED / "package" / "schemas" / "3.0.0.json").read_text("utf-8"))


def test_the_document_holds_to_the_schema_of_asyncapi() -> None:
    document = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))
    validator = jsonschema.Draft7Validator(asyncapi_schema())
    found = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in validator.iter_errors(document)
    ]
    assert found == []


def test_the_schema_of_asyncapi_finds_what_is_wrong() -> None:
    document = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text("utf-8"))
    document["operations"]["submitAction"]["action"] = "publish"
    document["components"]["messages"]["action"]["bindings"]["kafka"]["schemaIdLocation"] = "somewhere"
    assert not jsonschema.Draft7Validator(asyncapi_schema()).is_valid(document)
