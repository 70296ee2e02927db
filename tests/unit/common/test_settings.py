"""Settings: precedence, files, spans, and one readable line when something is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from libs.common.errors import Misconfigured
from libs.common.settings import Port, Settings, Span

SECRET = "a secret of enough length"
ENOUGH = {"GUICHET_SECRET": SECRET}


class RouterSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="ROUTER_")

    port: Port = 8003
    languages: list[str] = Field(default=["en"], description="Spoken here")
    stale_after: Span = Field(default=timedelta(hours=24), description="Then it is stale")


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(Misconfigured) as caught:
        RouterSettings.load(environ)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_secret_is_all_a_service_needs() -> None:
    settings = RouterSettings.load(ENOUGH)
    assert settings.secret.get_secret_value() == SECRET
    assert (settings.bus, settings.port, settings.partitions) == ("local", 8003, 12)
    assert (settings.stop_pause, settings.drain) == (timedelta(seconds=5), timedelta(seconds=20))


def test_the_services_own_variable_wins_over_the_shared_one() -> None:
    environ = ENOUGH | {"GUICHET_BUS": "kafka://shared:9092", "ROUTER_BUS": "kafka://own:9092"}
    assert RouterSettings.load(environ).bus == "kafka://own:9092"
    assert RouterSettings.load(ENOUGH | {"GUICHET_BUS": "kafka://shared:9092"}).bus == "kafka://shared:9092"


def test_an_override_wins_over_the_environment() -> None:
    assert RouterSettings.load(ENOUGH | {"ROUTER_PORT": "1"}, port=2).port == 2


def test_the_constructor_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_PORT", "1")
    assert RouterSettings(secret=SecretStr(SECRET)).port == 8003


def test_an_empty_variable_is_none() -> None:
    assert RouterSettings.load(ENOUGH | {"ROUTER_PORT": ""}).port == 8003


def test_a_list_is_written_as_json() -> None:
    assert RouterSettings.load(ENOUGH | {"ROUTER_LANGUAGES": '["fr", "de"]'}).languages == ["fr", "de"]
    assert refusal(ENOUGH | {"ROUTER_LANGUAGES": "fr,de"}) == "ROUTER_LANGUAGES has to be JSON"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("0s", timedelta()),
        ("1.5 s", timedelta(seconds=1.5)),
        ("2min", timedelta(minutes=2)),
        ("72h", timedelta(hours=72)),
        ("90d", timedelta(days=90)),
        ("PT20S", timedelta(seconds=20)),
    ],
)
def test_a_span_is_written_as_people_write_it(text: str, span: timedelta) -> None:
    assert RouterSettings.load(ENOUGH | {"ROUTER_STALE_AFTER": text}).stale_after == span


@pytest.mark.parametrize("text", ["5", "-5s", "-PT5S", "soon"])
def test_a_span_without_a_unit_or_below_zero_is_refused(text: str) -> None:
    assert refusal(ENOUGH | {"ROUTER_STALE_AFTER": text}).startswith("ROUTER_STALE_AFTER: ")


@pytest.mark.parametrize("bus", ["kafka://a:9092", "kafka://a:9092,b:9093", "kafka://broker-0.kafka.svc:9092", "local"])
def test_a_bus_is_local_or_kafka(bus: str) -> None:
    assert RouterSettings.load(ENOUGH | {"GUICHET_BUS": bus}).bus == bus


@pytest.mark.parametrize("bus", ["kafka", "kafka://", "kafka://a", "kafka://a:9092,", "redis://a:1"])
def test_another_bus_is_refused(bus: str) -> None:
    assert refusal(ENOUGH | {"GUICHET_BUS": bus}).startswith("GUICHET_BUS cannot be read. ")


def test_keys_and_database_lie_in_the_data_folder_unless_written() -> None:
    settings = RouterSettings.load(ENOUGH | {"GUICHET_DATA": "/srv/guichet"})
    assert settings.keys == Path("/srv/guichet/keys.toml")
    assert settings.database == "sqlite:////srv/guichet"
    written = RouterSettings.load(
        ENOUGH | {"GUICHET_KEYS": "/etc/keys.toml", "ROUTER_DATABASE_URL": "postgresql://db/router"}
    )
    assert (written.keys, written.database) == (Path("/etc/keys.toml"), "postgresql://db/router")


def test_a_file_holds_a_secret_and_its_last_newline_is_not_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    settings = RouterSettings.load({"ROUTER_SECRET_FILE": str(file)})
    assert settings.secret.get_secret_value() == SECRET


def test_a_file_that_cannot_be_read_is_named_with_its_variable(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert refusal({"ROUTER_SECRET_FILE": str(missing)}) == (
        f"ROUTER_SECRET_FILE names {missing}, which cannot be read: No such file or directory"
    )
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert refusal({"ROUTER_SECRET_FILE": str(empty)}) == (f"ROUTER_SECRET_FILE names {empty}, which is empty")


def test_a_value_and_a_file_together_are_refused(tmp_path: Path) -> None:
    assert refusal({"ROUTER_SECRET": SECRET, "ROUTER_SECRET_FILE": str(tmp_path)}) == (
        "both ROUTER_SECRET and ROUTER_SECRET_FILE are set; keep one"
    )


def test_a_missing_setting_is_named_and_explained() -> None:
    assert refusal({}).startswith("ROUTER_SECRET is missing: The deployment's secret")


def test_a_wrong_value_names_the_variable_it_came_from_and_not_the_value() -> None:
    assert refusal(ENOUGH | {"ROUTER_PORT": "http"}).startswith("ROUTER_PORT: Input should be a valid integer")
    assert refusal(ENOUGH | {"GUICHET_PORT": "http"}).startswith("GUICHET_PORT: ")
    assert "hunter2" not in refusal(ENOUGH | {"ROUTER_DATABASE_URL": "mysql://me:hunter2@db/x"})
    assert "hunter2" not in refusal({"ROUTER_SECRET": "hunter2"})


def test_all_that_is_wrong_stands_in_the_line() -> None:
    line = refusal(ENOUGH | {"ROUTER_PORT": "http", "ROUTER_PARTITIONS": "0"})
    assert "ROUTER_PORT: " in line
    assert "ROUTER_PARTITIONS: " in line


def test_an_unknown_variable_of_ours_is_refused_with_the_nearest_known_one() -> None:
    assert refusal(ENOUGH | {"ROUTER_DATABSE_URL": "x"}) == (
        "ROUTER_DATABSE_URL is not a setting; did you mean ROUTER_DATABASE_URL?"
    )
    assert refusal(ENOUGH | {"GUICHET_SECRET_FIEL": "x"}) == (
        "GUICHET_SECRET_FIEL is not a setting; did you mean GUICHET_SECRET_FILE?"
    )


def test_other_programs_variables_are_none_of_our_business() -> None:
    assert RouterSettings.load(ENOUGH | {"INGEST_PROT": "x", "PATH": "/bin", "GUICHET_URL": "x"}).port == 8003


def test_the_service_links_of_kubernetes_are_refused_by_name() -> None:
    links = {"ROUTER_SERVICE_HOST": "10.0.0.1", "ROUTER_PORT": "tcp://10.0.0.1:8003", "ROUTER_SERVICE_PORT": "8003"}
    assert "enableServiceLinks: false" in refusal(ENOUGH | links)


def test_the_log_level_may_be_in_capitals() -> None:
    assert RouterSettings.load(ENOUGH | {"GUICHET_LOG_LEVEL": "WARNING"}).log_level == "warning"


def test_settings_cannot_be_changed_and_the_secret_is_not_shown() -> None:
    settings = RouterSettings.load(ENOUGH)
    with pytest.raises(ValidationError):
        settings.port = 1
    assert SECRET not in repr(settings)


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in RouterSettings.model_fields.items() if not field.description] == []


def test_a_wrong_address_is_one_line_that_says_what_it_may_be_and_nothing_of_others() -> None:
    with pytest.raises(Misconfigured) as caught:
        RouterSettings.load({"GUICHET_BUS": "kafka:/x", "GUICHET_SECRET": "sixteen characters"})

    assert str(caught.value).startswith("GUICHET_BUS cannot be read. Where the log is: ")
    assert ";" not in str(caught.value)
