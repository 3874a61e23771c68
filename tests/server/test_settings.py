"""Settings: where they come from, which wins, and what a bad one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.model.errors import SettingsError
from paddock.server.settings import Settings, load_settings


def test_flags_win_over_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("port: 1111\nregion: eu-west-1\nstrict_cpu: true\n")
    environ = {"PADDOCK_PORT": "2222", "PADDOCK_REGION": "eu-central-1"}

    settings = load_settings({"data_dir": tmp_path, "port": 3333, "region": None}, environ)

    assert (settings.port, settings.region, settings.strict_cpu) == (3333, "eu-central-1", True)


def test_the_data_directory_comes_from_the_environment_too(tmp_path: Path) -> None:
    assert load_settings({}, {"PADDOCK_DATA_DIR": str(tmp_path)}).data_dir == tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot: 1", "no such setting"),
        ("port: many", "not usable"),
        ("- a\n- b", "mapping"),
        ("port: [", "cannot be read"),
        ("port: 70000", "0 to 65535"),
        ("strict_cpu: perhaps", "true or false"),
        ("account_id: 12", "twelve digits"),
        ("cores_per_vcpu: 2", "at most 1"),
        ("auth: basic", "sigv4"),
        ("isolation_min: none", "process, namespaces"),
        ("api_rates: sometimes", "aws, off"),
        ("capacity_provider_writes_per_second: 0", "above 0"),
        ("control_plane_requests_per_second: .inf", "above 0"),
        ("hot_reload_dir: /no/such/directory", "is no directory"),
        ("images_dir: /no/such/directory", "images_dir: .* is no directory"),
    ],
)
def test_a_bad_settings_file_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)

    with pytest.raises(SettingsError, match=said):
        load_settings({"data_dir": tmp_path}, {})


def test_no_authentication_is_refused_off_loopback(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="loopback"):
        load_settings({"data_dir": tmp_path, "auth": "none", "host": "0.0.0.0"}, {})


def test_every_setting_has_its_help() -> None:
    assert all(setting.metadata["help"] for setting in Settings.__dataclass_fields__.values())


@pytest.mark.parametrize("given", ["flag", "environment", "list", "text"])
def test_several_directories_may_be_given_in_each_place(tmp_path: Path, given: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    flags: dict[str, object] = {"data_dir": tmp_path}
    environ: dict[str, str] = {}
    if given == "flag":
        flags["hot_reload_dir"] = (first, second)
    elif given == "environment":
        environ["PADDOCK_HOT_RELOAD_DIR"] = f"{first}:{second}"
    else:
        written = f"[{first}, {second}]" if given == "list" else f"{first}:{second}"
        (tmp_path / "settings.yaml").write_text(f"hot_reload_dir: {written}\n")

    assert load_settings(flags, environ).hot_reload_dir == (first, second)
