"""Configuration: the file, then the environment, then options; the later one counts."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from casetrail.cli import exits
from casetrail.cli.config import SETTINGS, load_config
from casetrail.cli.main import cli
from tests.cli.shell import Shell


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize("name", SETTINGS)
def test_an_option_counts_more_than_the_environment_and_that_more_than_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**options: str) -> Any:
        return getattr(load_config(None, dict(options)), name)

    assert found() is None
    write(tmp_path / "casetrail.toml", f'{name} = "/from-file"')
    assert found() == "/from-file"
    monkeypatch.setenv(f"CASETRAIL_{name.upper()}", "from-environment")
    assert found() == "from-environment"
    assert found(**{name: "from-option"}) == "from-option"


def test_every_setting_has_an_option(tmp_path: Path) -> None:
    shown = invoke("--help").stdout
    for name in SETTINGS:
        assert f"--{name.replace('_', '-')} " in shown


def test_relative_files_in_the_file_are_beside_it_wherever_it_is_asked_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(
        tmp_path / "conf" / "casetrail.toml",
        'log = "sqlite:l.db"\nviews = "sqlite:v.db"\nkeyring = "sqlite:/abs/k.db"\nmaster_key_file = "m"',
    )
    config = load_config(file, {})
    assert config.log_url() == f"sqlite:{tmp_path / 'conf' / 'l.db'}"
    assert config.views_url() == f"sqlite:{tmp_path / 'conf' / 'v.db'}"
    assert config.keyring_url() == "sqlite:/abs/k.db"
    assert config.master_key_file == str(tmp_path / "conf" / "m")
    assert invoke("--config", str(file), "log", "init").exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert invoke("--config", "../conf/casetrail.toml", "cases").exit_code == 0
    assert (tmp_path / "conf" / "l.db").exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_views_and_keyring_lie_beside_an_embedded_log_unless_given() -> None:
    config = load_config(None, {"log": "sqlite:/data/kcpd.db"})
    assert config.views_url() == "sqlite:/data/kcpd.db.views"
    assert config.keyring_url() == "sqlite:/data/kcpd.db.keys"
    assert load_config(None, {"log": "kafka://a:1,b:2/kcpd"}).views_url() == "sqlite:kcpd.views"


def test_the_file_can_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "conf" / "other.toml", 'person = "sgt.archer"')
    monkeypatch.setenv("CASETRAIL_CONFIG", str(file))
    assert load_config(None, {}).person == "sgt.archer"


@pytest.mark.parametrize("by_option", [True, False])
def test_a_file_that_was_named_and_is_not_there_is_not_passed_over(
    by_option: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASETRAIL_CONFIG", "nowhere.toml")
    with pytest.raises(click.ClickException, match=r"no configuration at nowhere\.toml"):
        load_config(Path("nowhere.toml") if by_option else None, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lgo = "sqlite:x"\nperso = "x"', "lgo, perso"),
        ("log = 1", "'log' must be a string"),
        ('kafka = "x"', "'kafka' must be a table"),
        ("log = ", "no TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path / "casetrail.toml", text)
    result = invoke("cases")
    assert result.exit_code == exits.FAILED
    assert said in result.stderr
    assert file.name in result.stderr


def test_a_file_that_cannot_be_read_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "casetrail.toml").mkdir()
    result = invoke("cases")
    assert result.exit_code == exits.FAILED
    assert "cannot be read" in result.stderr
    (tmp_path / "latin.toml").write_bytes(b'person = "\xe9"')
    assert "no TOML" in invoke("--config", "latin.toml", "cases").stderr


def test_without_a_log_it_is_said_what_to_do() -> None:
    result = invoke("cases")
    assert result.exit_code == exits.USAGE
    assert "casetrail log init" in result.stderr


@pytest.mark.parametrize("url", ["log.db", "sqlite:", "kafka://host", "http://x"])
def test_an_address_of_no_known_form_is_refused(url: str) -> None:
    result = invoke("--log", url, "count")
    assert result.exit_code == exits.FAILED
    assert "sqlite:PATH" in result.stderr


def test_times_without_a_zone_are_in_the_configured_one(tmp_path: Path) -> None:
    common = ("--log", f"sqlite:{tmp_path / 'log.db'}", "--time-zone")
    assert invoke("--log", common[1], "log", "init").exit_code == 0
    assert invoke(*common, "America/Chicago", "cases", "--now", "2026-01-01T00:00:00").exit_code == 0
    for zone in ("America/Nowhere", "../etc", "/etc/passwd"):
        result = invoke(*common, zone, "cases", "--now", "2026-01-01T00:00:00")
        assert result.exit_code == exits.USAGE
        assert "no time zone" in result.stderr


@pytest.mark.parametrize(
    ("text", "written"), [("2026-03-01", "2026-03-01T00:00Z"), ("2026-03-01T09:30", "2026-03-01T09:30Z")]
)
def test_how_a_time_without_a_zone_is_to_be_written_is_told(shell: Shell, text: str, written: str) -> None:
    assert f"'{text}' has no zone: write {written}" in shell.run("cases", "--now", text, code=exits.USAGE).stderr
    shell.run("cases", "--now", written)
