"""What a task of tau2-bench's telecom does to the user's phone before it begins, and what it asserts in the end.

The semantics are tau2-bench's (commit in `tau2_bench.py`), oddities included: turning data on searches for no network,
turning it off does, even if it is off. None of it is offered to agent or user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayscaler.evaluation.tau2_phone import (
    Telecom,
    data_works,
    flip_airplane,
    flip_data,
    flip_roaming,
    flip_saver,
    search_network,
    sends_mms,
    speed,
)
from rayscaler.evaluation.tau2_phone_tools import connect_vpn
from rayscaler.evaluation.toolbox import Refused, Tool


def _until(flip: Callable[[Telecom], bool], wanted: bool) -> Tool:
    """Flip a switch, and flip it back if it stood right; so a network is searched for either way."""

    def turn(world: Telecom) -> None:
        if flip(world) != wanted:
            flip(world)

    return turn


def _data_on(world: Telecom) -> None:
    world.user.device.data_enabled = True


def _set_user_info(world: Telecom, name: str, phone_number: str) -> None:
    world.user.surroundings.name, world.user.surroundings.phone_number = name, phone_number


def _set_user_location(world: Telecom, abroad: bool) -> None:
    world.user.surroundings.is_abroad = abroad


def _unseat_sim_card(world: Telecom) -> None:
    world.user.device.sim_card_missing = True
    search_network(world)


def _lock_sim_card(world: Telecom, mode: str) -> None:
    world.user.device.sim_card_status = f"locked_{mode}"
    search_network(world)


def _break_apn_settings(world: Telecom) -> None:
    world.user.device.active_apn_settings.apn_name = "broken"
    search_network(world)


def _break_apn_mms_setting(world: Telecom) -> None:
    world.user.device.active_apn_settings.mmsc_url = None


def _break_vpn(world: Telecom) -> None:
    connect_vpn(world)
    world.user.device.vpn_details.server_performance = "poor"


def _set_wifi_calling(world: Telecom, enabled: bool, mms_over_wifi: bool | None = None) -> None:
    device = world.user.device
    device.wifi_calling_enabled = enabled
    if mms_over_wifi is not None:
        device.wifi_calling_mms_over_wifi = mms_over_wifi


def _remove_app_permission(world: Telecom, app_name: str, permission: str) -> None:
    app = world.user.device.app_statuses.get(app_name)
    if app is None or permission.lower() not in type(app.permissions).model_fields:
        raise Refused(f"the app {app_name!r} has no permission {permission!r}")
    setattr(app.permissions, permission.lower(), False)


def _has_speed(world: Telecom, expected_speed: float, expected_desc: str | None = None) -> bool:
    mbps, name = speed(world)
    return (mbps or 0.0) >= expected_speed and (expected_desc is None or name.lower() == expected_desc.lower())


def _is(look: Callable[[Telecom], Any]) -> Tool:
    """An assertion that what `look` sees is `expected_status`."""

    def holds(world: Telecom, expected_status: Any) -> bool:
        return bool(look(world) == expected_status)

    return holds


FUNCTIONS: dict[str, Tool] = {
    "set_user_info": _set_user_info,
    "set_user_location": _set_user_location,
    "simulate_network_search": search_network,
    "turn_airplane_mode_on": _until(flip_airplane, True),
    "turn_airplane_mode_off": _until(flip_airplane, False),
    "unseat_sim_card": _unseat_sim_card,
    "lock_sim_card": _lock_sim_card,
    "turn_data_on": _data_on,
    "turn_data_off": _until(flip_data, False),
    "turn_roaming_on": _until(flip_roaming, True),
    "turn_roaming_off": _until(flip_roaming, False),
    "turn_data_saver_mode_on": _until(flip_saver, True),
    "turn_data_saver_mode_off": _until(flip_saver, False),
    "break_apn_settings": _break_apn_settings,
    "break_apn_mms_setting": _break_apn_mms_setting,
    "break_vpn": _break_vpn,
    "set_wifi_calling": _set_wifi_calling,
    "remove_app_permission": _remove_app_permission,
    "assert_airplane_mode_status": _is(lambda world: world.user.device.airplane_mode),
    "assert_service_status": _is(lambda world: world.user.device.network_connection_status),
    "assert_mobile_data_status": _is(data_works),
    "assert_mobile_roaming_status": _is(lambda world: world.user.device.roaming_enabled),
    "assert_mobile_data_saver_mode_status": _is(lambda world: world.user.device.data_saver_mode),
    "assert_internet_speed": _has_speed,
    "assert_internet_not_excellent": lambda world: speed(world)[1] != "Excellent",
    "assert_can_send_mms": _is(sends_mms),
    "assert_mobile_data_usage_exceeded": _is(lambda world: world.user.surroundings.mobile_data_usage_exceeded),
}
"""What initial states and assertions call besides the tools: upstream's names."""
