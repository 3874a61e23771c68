"""Settings: where they come from, which wins, and what a bad one says."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from paddock.agent.limits import IDLE_IMAGE_BYTES
from paddock.controlplane.settings import DEFAULT_ASYNC_CONCURRENCY, InstanceSettings
from paddock.core.environment.slots import SlotSettings
from paddock.core.on_demand import OnDemandSettings
from paddock.core.planning import DEFAULT_SETTINGS
from paddock.core.planning.settings import PlanningSettings
from paddock.core.scaling import ScalingSettings
from paddock.model.errors import SettingsError
from paddock.router.settings import RouterSettings
from paddock.server.capacity_settings import SECONDS, CapacitySettings
from paddock.server.settings import Settings, load_settings

OF_THE_SERVER = {
    "default_lambda_idle",
    "default_lambda_most_environments",
    "default_lambda_failure_memory",
    "slot_leaked",
}
OF_THE_LAUNCHER = {"instance_start", "instance_ended_kept"}
"""Set under another name: beside what only the server has, or with planning's."""


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
        ("port: many", "port: 'many' is not usable: expected a whole number$"),
        ("port: 80.5", "expected a whole number$"),
        ("port:", "None is not usable: expected a whole number$"),
        ("port: [1]", "expected a whole number$"),
        ("default_lambda_environments: few", "expected a whole number$"),
        ("cores_per_vcpu: half", "'half' is not usable: expected a number$"),
        ("async_retry_seconds: true", "expected a number$"),
        ("scaling_slot_target: much", "expected a number$"),
        ("region:", "expected a text$"),
        ("region: {name: eu-west-1}", "expected a text$"),
        ("runtimes_dir: [a]", "expected a path$"),
        ("runtimes_dir: ~nobody-of-that-name/x", "'~nobody-of-that-name/x' is not usable"),
        ("hot_reload_dir: {a: b}", "expected paths, in a list or separated by :$"),
        ("hot_reload_dir: [1]", "expected paths"),
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
        ("leaked_slot_seconds: 0", "leaked_slot_seconds must be above 0"),
        ("async_retry_seconds: .nan", "async_retry_seconds must be above 0"),
        ("instance_stale_seconds: 1", "at least 2"),
        ("instance_stale_seconds: 12", "at most instance_lost_seconds, which is 10"),
        ("instance_lost_seconds: .inf", "instance_lost_seconds"),
        ("scaling_speedup: 0.5", "scaling_speedup must be 1 to 1000"),
        ("function_url_domain: a_b", "function_url_domain must be a name"),
        ("region: nowhere", "region must be a name like us-east-1"),
        ("account_id: ١٢٣٤٥٦٧٨٩٠١٢", "account_id must be twelve digits"),
        ("scaling_slot_target: 0", "above 0 and at most 1"),
        ("scaling_dead_band: 1", "below 1"),
        ("scaling_chance_deviations: -1", "0 to 100"),
        ("scaling_long_window_seconds: 7200", "at most 3600"),
        ("scaling_long_window_seconds: 30", "scaling_short_window_seconds must be at most scaling_long_window_seconds"),
        ("scaling_short_window_seconds: .nan", "scaling_short_window_seconds must be above 0"),
        ("planning_free_restarts: 0", "at least 1"),
        ("planning_free_restarts: some", "expected a whole number$"),
        ("planning_launch_backoff_seconds: 400", "must be at most planning_launch_backoff_limit_seconds"),
        ("planning_launch_backoff_limit_seconds: 901", "at most planning_failure_memory_seconds, which is 900"),
        ("planning_replacement_lead_seconds: 90000", "at most 86400"),
        ("planning_replacement_lead_share: 2", "above 0 and at most 1"),
        ("instance_launches_at_once: 0", "1 to 100"),
        ("instance_start_seconds: 0", "instance_start_seconds must be above 0 and at most 3600"),
        ("instance_ended_kept: 0", "instance_ended_kept must be at least 1"),
        ("router_refusals_per_call: 0", "router_refusals_per_call must be at least 1"),
        ("router_refusals_per_call: 2.5", "expected a whole number$"),
        ("router_rest_seconds: 0", "router_rest_seconds must be above 0"),
        ("router_longest_wait_seconds: .inf", "router_longest_wait_seconds must be above 0 and at most 3600"),
        ("router_retry_after_seconds: 0", "router_retry_after_seconds must be above 0"),
        ("router_retry_after_seconds: 0.5", "expected a whole number$"),
        ("async_concurrency: 0", "async_concurrency must be above 0"),
        ("close_seconds: .inf", "close_seconds must be above 0"),
        ("idle_images_gib: -1", "idle_images_gib must be above 0"),
        ("instance_stop_grace_seconds: -1", "above 0"),
        ("slot_poll_wait_seconds: 0", "slot_poll_wait_seconds must be above 0"),
        ("default_lambda_launch_backoff_seconds: 61", "default_lambda_launch_backoff_limit_seconds, which is 60"),
        ("hot_reload_dir: /no/such/directory", "is no directory"),
        ("images_dir: /no/such/directory", "images_dir: .* is no directory"),
    ],
)
def test_a_bad_settings_file_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)

    with pytest.raises(SettingsError, match=said):
        load_settings({"data_dir": tmp_path}, {})


def test_a_bad_variable_is_named_with_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^PADDOCK_PORT: 'abc' is not usable: expected a whole number$"):
        load_settings({"data_dir": tmp_path}, {"PADDOCK_PORT": "abc"})


def test_a_setting_that_the_machine_decides_may_be_left_empty(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("cores_per_vcpu:\nisolation_min: null\nhot_reload_dir:\n")

    settings = load_settings({"data_dir": tmp_path}, {})

    assert (settings.cores_per_vcpu, settings.isolation_min, settings.hot_reload_dir) == (None, None, ())


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


def test_every_figure_of_scaling_and_planning_can_be_set() -> None:
    settable = {setting.name.removesuffix(SECONDS) for setting in fields(CapacitySettings)}
    figures = {f"scaling_{each.name}" for each in fields(ScalingSettings)}
    figures |= {f"planning_{each.name}" for each in fields(PlanningSettings)} - {"planning_scaling"}
    figures |= {f"instance_{each.name}" for each in fields(InstanceSettings)} | OF_THE_LAUNCHER
    figures |= {f"router_{each.name.removesuffix(SECONDS)}" for each in fields(RouterSettings)}
    figures |= {f"default_lambda_{each.name}" for each in fields(OnDemandSettings)} - OF_THE_SERVER
    figures |= {f"slot_{each.name.removesuffix(SECONDS)}" for each in fields(SlotSettings)} - OF_THE_SERVER

    assert settable == figures | {"scaling_speedup"}


def test_what_is_not_set_is_as_the_cores_have_it() -> None:
    settings = Settings()

    assert settings.planning() == DEFAULT_SETTINGS
    assert settings.on_demand(64) == OnDemandSettings()
    assert settings.slot_settings() == SlotSettings()
    assert settings.instances() == InstanceSettings()
    assert settings.router() == RouterSettings()
    assert settings.async_concurrency == DEFAULT_ASYNC_CONCURRENCY
    assert (settings.instance_start_seconds, settings.instance_ended_kept) == (15.0, 200)
    assert settings.idle_images_gib * 1024**3 == IDLE_IMAGE_BYTES


def test_what_is_set_of_capacity_is_planned_with(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("scaling_slot_target: 0.6\nscaling_long_window_seconds: 600\n")
    environ = {"PADDOCK_PLANNING_IDLE_GRACE_SECONDS": "90", "PADDOCK_PLANNING_SPREAD_INSTANCES": "2"}

    planning = load_settings({"data_dir": tmp_path, "scaling_speedup": 10.0}, environ).planning()

    assert planning.scaling.slot_target == 0.6
    assert planning.scaling.long_window == timedelta(seconds=60)
    assert planning.idle_grace == timedelta(seconds=9)
    assert planning.spread_instances == 2
    assert planning.launch_deadline == DEFAULT_SETTINGS.launch_deadline


def test_what_is_set_of_lives_and_waits_is_handed_on(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(
        "planning_replacement_lead_seconds: 14400\nplanning_failure_memory_seconds: 1000\nleaked_slot_seconds: 7\n"
        "slot_settling_seconds: 20\ninstance_launches_at_once: 2\ndefault_lambda_launch_backoff_seconds: 5\n"
        "router_refusals_per_call: 3\nrouter_retry_after_seconds: 4\n"
    )
    settings = load_settings({"data_dir": tmp_path}, {})

    assert settings.planning().replacement_lead == timedelta(hours=4)
    assert settings.on_demand(3) == OnDemandSettings(
        most_environments=3, launch_backoff=timedelta(seconds=5), failure_memory=timedelta(seconds=1000)
    )
    assert settings.slot_settings() == SlotSettings(settling_seconds=20.0, leaked_seconds=7.0)
    assert settings.instances() == InstanceSettings(launches_at_once=2)
    assert settings.router() == RouterSettings(refusals_per_call=3, retry_after_seconds=4)
