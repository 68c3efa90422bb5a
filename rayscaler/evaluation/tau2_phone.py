"""The user's phone in tau2-bench's telecom: what it shows, and what follows when a setting is changed.

The semantics are tau2-bench's (commit in `tau2_bench.py`), written anew here. A phone that searches for a network has
one exactly if its SIM is active and in it, airplane mode is off, the access point is not broken and the line is active;
how good the network is depends on where the user is (`surroundings.signal_strength`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.tau2_world import TwoSides

MODES = ("4g_5g_preferred", "4g_only", "3g_only", "2g_only")
"""What a phone may prefer, in the order in which upstream lists it."""

ONLY = {"4g_only": "4G", "3g_only": "3G", "2g_only": "2G"}

SIGNAL_HERE = {"2G": "poor", "3G": "fair", "4G": "good", "5G": "excellent"}
"""Signals where the user is, unless the data says otherwise: upstream's default, which is not in the data."""

SPEED_MBPS = {"2G": (0.1, 0.4), "3G": (1.0, 5.0), "4G": (10.0, 100.0), "5G": (50.0, 500.0)}
"""Slowest and fastest of each technology."""

SIGNAL_FACTOR = {"poor": 0.2, "fair": 0.5, "good": 0.8, "excellent": 1.0}

SPEED_NAMES = ((1, "Very Poor"), (5, "Poor"), (25, "Fair"), (100, "Good"))
"""Speeds below which a connection is called so; above the last it is excellent."""

NO_CONNECTION = "No Connection"


class Telecom(TwoSides):
    """The state of a conversation. `vpn` is what connecting gives: breaking the VPN breaks it for good, as upstream."""

    def __init__(self, shapes: dict[str, Shapes], records: dict[str, Any]) -> None:
        super().__init__(shapes, records)
        if self.user.surroundings.signal_strength == {}:
            self.user.surroundings.signal_strength = dict(SIGNAL_HERE)
        self.vpn = shapes["user"]["VpnDetails"](
            server_address="192.168.1.1", protocol="OpenVPN", server_performance="excellent")


@cache
def words() -> dict[str, Any]:
    """The phone's texts."""
    loaded: dict[str, Any] = yaml.safe_load(files(__package__).joinpath("tau2_phone.yaml").read_text("utf-8"))
    return loaded


def status_bar(world: Telecom) -> str:
    """The icons at the top of the screen."""
    device, shown = world.user.device, list[str]()
    if device.airplane_mode:
        shown.append(words()["airplane"])
    else:
        connected = device.network_technology_connected != "none"
        shown.append(words()["signal"][device.network_signal_strength])
        shown += [device.network_technology_connected] if connected else []
        shown.append(words()["data_on" if device.data_enabled and connected else "data_off"])
        shown += [words()["data_saver"]] if device.data_enabled and connected and device.data_saver_mode else []
    if device.wifi_enabled and device.wifi_connected:
        shown.append(f"{words()['wifi']} {f'Connected to {device.wifi_ssid}' if device.wifi_ssid else 'Enabled'}")
    shown += [words()["vpn"]] if device.vpn_connected else []
    return " | ".join([*shown, f"{words()['battery']} {device.battery_level}%"])


def sim_status(world: Telecom) -> str:
    """`active`, `missing`, `locked_pin` or `locked_puk`."""
    device = world.user.device
    return "missing" if device.sim_card_missing else str(device.sim_card_status)


def search_network(world: Telecom) -> None:
    """Look for a network, as the phone prefers it."""
    device, around = world.user.device, world.user.surroundings
    if (sim_status(world) != "active" or device.airplane_mode or device.active_apn_settings.apn_name == "broken"
            or not around.line_active):
        device.network_connection_status = "no_service"
        device.network_technology_connected = device.network_signal_strength = "none"
        return
    technology = ONLY.get(device.network_mode_preference, "4G")
    if device.network_mode_preference == MODES[0] and around.signal_strength.get("5G", "none") != "none":
        technology = "5G"
    device.network_connection_status, device.network_technology_connected = "connected", technology
    device.network_signal_strength = around.signal_strength.get(technology, "none")


def data_works(world: Telecom) -> bool:
    """Whether mobile data gets through."""
    device, around = world.user.device, world.user.surroundings
    return not (
        device.airplane_mode
        or device.network_signal_strength == "none"
        or device.network_connection_status == "no_service"
        or (around.is_abroad and not (device.roaming_enabled and around.roaming_allowed))
        or not device.data_enabled
        or around.mobile_data_usage_exceeded
    )


def speed(world: Telecom) -> tuple[float | None, str]:
    """Mbps of mobile data and what that is called."""
    device = world.user.device
    if not data_works(world):
        return None, NO_CONNECTION
    slow_vpn = device.vpn_connected and device.vpn_details and device.vpn_details.server_performance == "poor"
    factor = 0.1 if slow_vpn else 1.0
    factor *= 0.2 if device.data_saver_mode else 1.0
    slowest, fastest = SPEED_MBPS.get(device.network_technology_connected, (0.0, 0.0))
    signal = SIGNAL_FACTOR.get(device.network_signal_strength, 0.0)
    mbps = round((slowest + fastest) / 2.0 * signal * factor, 2)
    return mbps, next((name for below, name in SPEED_NAMES if mbps < below), "Excellent")


def sends_mms(world: Telecom) -> bool:
    """Whether the messaging app can send pictures."""
    device = world.user.device
    app = device.app_statuses.get("messaging")
    return bool(
        data_works(world)
        and device.network_technology_connected != "2G"
        and not (device.wifi_calling_enabled and device.wifi_calling_mms_over_wifi)
        and device.active_apn_settings.mmsc_url is not None
        and app is not None and app.permissions.storage and app.permissions.sms
    )


def flip_airplane(world: Telecom) -> bool:
    """All radios off, or on again; whether they are off."""
    device = world.user.device
    device.airplane_mode = not device.airplane_mode
    if device.airplane_mode or device.wifi_enabled:
        leave_wifi(world)
    if device.airplane_mode:
        leave_vpn(world)
    search_network(world)
    return bool(device.airplane_mode)


def leave_wifi(world: Telecom) -> None:
    """No Wi-Fi network any more."""
    device = world.user.device
    device.wifi_connected, device.wifi_ssid, device.wifi_signal_strength = False, None, "none"


def flip_data(world: Telecom) -> bool:
    """Mobile data on or off; whether it is on."""
    device = world.user.device
    device.data_enabled = not device.data_enabled
    search_network(world)
    return bool(device.data_enabled)


def flip_roaming(world: Telecom) -> bool:
    """Data abroad on or off; whether it is on."""
    device = world.user.device
    device.roaming_enabled = not device.roaming_enabled
    search_network(world)
    return bool(device.roaming_enabled)


def flip_saver(world: Telecom) -> bool:
    """Data saver on or off; whether it is on."""
    device = world.user.device
    device.data_saver_mode = not device.data_saver_mode
    return bool(device.data_saver_mode)


def leave_vpn(world: Telecom) -> bool:
    """Leave the VPN; whether there was one."""
    device = world.user.device
    connected = bool(device.vpn_connected)
    if connected:
        device.vpn_connected, device.vpn_details = False, None
    return connected
