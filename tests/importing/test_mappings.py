"""A mapping that is not understood is refused with a message that names what is wrong in it."""

from pathlib import Path

import pytest

from casetrail.cli import exits
from tests.cli.shell import Shell
from tests.importing.test_importing import REPORTS_MAPPING, imported, reports

WRONG_VALUES = {
    **{
        f"{name} = {value}": name
        for name in ("case", "activity", "time_zone", "encoding")
        for value in ("[1]", "{ a = 1 }")
    },
    **{f"{name} = {value}": name for name in ("time_formats", "ignore") for value in ("5", "[5]", "{ a = 1 }")},
    **{f"{name} = {value}": name for name in ("agency", "person") for value in ('["x"]', "{ a = 1 }")},
    **{f"codes = {value}": "codes" for value in ("5", '["x"]')},
    **{f"codes = {{ nibrs = {value} }}": "codes" for value in ("5", '"x"', '{ RAPE = ["11A"] }')},
    **{f"actions = {value}": "actions" for value in ("5", '["x"]', '"x"', "{ a = 1 }")},
    **{f"system = {value}": "system" for value in ("5", '["x"]')},
    'time_zone = "America"': "time_zone",
    'time_zone = ""': "time_zone",
    "case = 5": "",
    "time_zone = 5": "time_zone",
    "encoding = 5": "encoding",
}


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_value_of_a_mapping_that_is_of_another_kind_is_named(shell: Shell, wrong: str) -> None:
    file, mapping = reports(shell)
    name, head = wrong.partition(" ")[0], REPORTS_MAPPING.partition("[codes")[0].splitlines()
    kept = "\n".join(line for line in head if not line.startswith(f"{name} ="))
    rest = REPORTS_MAPPING[REPORTS_MAPPING.index("[codes") :]
    if name == "codes":
        rest = rest[rest.index("[[actions]]") :]
    elif name == "actions":
        rest = rest[: rest.index("[[actions]]")]
    mapping.write_text(f"{wrong}\n{kept}\n{rest}")
    assert_named(shell, file, mapping, WRONG_VALUES[wrong])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("seal = 5", "seal"), ('seal = ["x"]', "seal"), ("seal = { narrative = [1] }", "narrative"),
        ("tokens = 5", "tokens"), ("tokens = { child = {} }", "child"), ("when = 5", "when"),
        ('when = { value = "{number}" }', "when"), ('when = { is = "x" }', "when"),
        ("when = { value = [1], is = 5 }", "value"), ("when = { value = 5, is = [1] }", "is"),
        ('channel = ["phone", "web"]', "channel"), ("channel = []", "channel"), ("channel = { a = 1 }", "channel"),
        ("offences = [[1]]", "offences"), ("offences = { a = 1 }", "offences"), ("at = [1]", "at"),
        ("activity = [1]", "activity"), ('person = ["x"]', "person"), ("action = 5", "action"),
        ('action = ["x"]', "action"),
    ],
)  # fmt: skip
def test_a_value_of_an_action_that_is_of_another_kind_is_named(shell: Shell, wrong: str, named: str) -> None:
    file, mapping = reports(shell)
    name = wrong.partition(" ")[0]
    head, first, rest = REPORTS_MAPPING.split("[[actions]]\n")[:3]
    kept = "\n".join(line for line in first.splitlines() if not line.startswith((f"{name} =", f"{name}.")))
    mapping.write_text(f'activity = "x"\n{head}[[actions]]\n{wrong}\n{kept}\n[[actions]]\n{rest}')
    assert_named(shell, file, mapping, named)


def assert_named(shell: Shell, file: Path, mapping: Path, named: str) -> None:
    """A mapping is refused with a message that names a setting, and nothing is imported."""
    result = shell.run("import", str(file), "--mapping", str(mapping), code=exits.FAILED if named else None)
    assert isinstance(result.exception, SystemExit | None), result.exception
    if named:
        assert named in result.stderr.replace("time zone", "time_zone")
        assert shell.rows("count")[0]["submitted"] == 0


def test_values_of_a_mapping_that_stand_for_a_text_are_taken_as_one(shell: Shell) -> None:
    file, mapping = reports(shell)
    form = REPORTS_MAPPING.replace('["%m/%d/%Y %H:%M"]', '"%m/%d/%Y %H:%M"')
    mapping.write_text(form.replace('channel = "phone"', 'channel = ["phone"]\nimmediate_danger = true'))
    assert imported(shell, file, mapping, code=exits.FAULTS)["accepted"] == 4
