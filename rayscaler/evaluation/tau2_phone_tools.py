"""What the user of tau2-bench's telecom can do with the phone.

The semantics are tau2-bench's (commit in `tau2_bench.py`), oddities included: a setting that is refused is told in
words and is no error. Written anew here and compared with the recorded
answers and end states of gold, and with the official tools call by call (docs/evaluation.md).
"""

from __future__ import annotations

from typing import Any

from rayscaler.evaluation.tau2_phone import (
    MODES,
    Telecom,
    flip_airplane,
    flip_data,
    flip_roaming,
    flip_saver,
    leave_vpn,
    leave_wifi,
    search_network,
    sends_mms,
    sim_status,
    speed,
    status_bar,
    words,
)
from rayscaler.evaluation.toolbox import Tool


def _shown(world: Telecom, text: str) -> str:
    return f"{text}\nStatus Bar: {status_bar(world)}"


def _on(state: bool) -> str:
    return "ON" if state else "OFF"


def _yes(state: bool) -> str:
    return "Yes" if state else "No"


def check_status_bar(world: Telecom) -> str:
    """The icons at the top of the screen."""
    return f"Status Bar: {status_bar(world)}"


def check_network_status(world: Telecom) -> str:
    """Every setting that a connection depends on."""
    device = world.user.device
    lines = [
        f"Airplane Mode: {_on(device.airplane_mode)}",
        f"SIM Card Status: {sim_status(world)}",
        f"Cellular Connection: {device.network_connection_status}",
        f"Cellular Signal: {device.network_signal_strength}",
        f"Cellular Network Type: {device.network_technology_connected}",
        f"Mobile Data Enabled: {_yes(device.data_enabled)}",
        f"Data Roaming Enabled: {_yes(device.roaming_enabled)}",
        f"Wi-Fi Radio: {_on(device.wifi_enabled)}",
        f"Wi-Fi Connected: {_yes(device.wifi_connected)}",
    ]
    lines += [f"Connected Wi-Fi Network: {device.wifi_ssid}"] if device.wifi_connected else []
    return "\n".join(lines)


def check_network_mode_preference(world: Telecom) -> str:
    """Which networks the phone prefers."""
    return f"Network Mode Preference: {world.user.device.network_mode_preference}"


def set_network_mode_preference(world: Telecom, mode: str) -> str:
    """Prefer other networks, and search for one."""
    if mode not in MODES:
        return _shown(world, f"Failed to set network mode: '{mode}' is not a valid option. Please use one of: "
                             f"{', '.join(MODES)}")
    world.user.device.network_mode_preference = mode
    search_network(world)
    return _shown(world, f"Preferred Network Mode set to: {mode}")


def run_speed_test(world: Telecom) -> str:
    """How fast mobile data is."""
    mbps, name = speed(world)
    if mbps is None:
        return f"Speed test failed: {name}."
    return f"Speed Test Result: {mbps:.2f} Mbps ({name}). {words()['speed'][name]}"


def toggle_airplane_mode(world: Telecom) -> str:
    """All radios off, or on again."""
    return _shown(world, f"Airplane Mode is now {_on(flip_airplane(world))}.")




def check_sim_status(world: Telecom) -> str:
    """Whether the SIM is there and unlocked."""
    return str(words()["sim"][sim_status(world)])


def reseat_sim_card(world: Telecom) -> str:
    """Put the SIM in again."""
    world.user.device.sim_card_missing = False
    search_network(world)
    return _shown(world, "SIM card re-seated successfully.")


def toggle_data(world: Telecom) -> str:
    """Mobile data on or off."""
    return _shown(world, f"Mobile Data is now {_on(flip_data(world))}.")



def toggle_roaming(world: Telecom) -> str:
    """Data abroad on or off."""
    return _shown(world, f"Data Roaming is now {_on(flip_roaming(world))}.")



def check_data_restriction_status(world: Telecom) -> str:
    """Whether data is saved."""
    if world.user.device.data_saver_mode:
        return "Data Saver mode is ON (limits data usage)."
    return "Data Saver mode is OFF."


def toggle_data_saver_mode(world: Telecom) -> str:
    """Data saver on or off."""
    return _shown(world, f"Data Saver Mode is now {_on(flip_saver(world))}.")



def check_apn_settings(world: Telecom) -> str:
    """The access point's name, and where picture messages go."""
    settings = world.user.device.active_apn_settings
    pictures = settings.mmsc_url or "Not Set"
    return (f"Current APN Name: {settings.apn_name}\nMMSC URL (for picture messages): {pictures}\n"
            "(These are technical settings, usually best left unchanged.)")


def set_apn_settings(world: Telecom, apn_settings: dict[str, Any]) -> str:
    """Another access point."""
    settings: Any = world.shapes["user"]["APNSettings"](**apn_settings)
    world.user.device.active_apn_settings = settings
    search_network(world)
    return _shown(world, f"APN settings set to: {settings.apn_name}")


def reset_apn_settings(world: Telecom) -> str:
    """The access point as it came, from the next start of the phone on."""
    world.user.device.active_apn_settings.reset_at_reboot = True
    search_network(world)
    return _shown(world, "APN settings will reset at reboot.")


def check_wifi_status(world: Telecom) -> str:
    """Whether Wi-Fi is on, and connected to what."""
    device = world.user.device
    if not device.wifi_enabled:
        return "Wi-Fi is turned OFF."
    if not device.wifi_connected:
        return "Wi-Fi is ON but not connected to any network."
    return f"Wi-Fi is ON and connected to '{device.wifi_ssid}'. Signal strength: {device.wifi_signal_strength}."


def toggle_wifi(world: Telecom) -> str:
    """Wi-Fi on or off."""
    device = world.user.device
    if device.airplane_mode:
        return _shown(world, "Cannot change Wi-Fi settings while Airplane Mode is ON.")
    device.wifi_enabled = not device.wifi_enabled
    if not device.wifi_enabled:
        leave_wifi(world)
    return _shown(world, f"Wi-Fi is now {_on(device.wifi_enabled)}.")


def check_wifi_calling_status(world: Telecom) -> str:
    """Whether calls may go over Wi-Fi."""
    return f"Wi-Fi Calling is currently turned {_on(world.user.device.wifi_calling_enabled)}."


def toggle_wifi_calling(world: Telecom) -> str:
    """Calls over Wi-Fi on or off."""
    device = world.user.device
    device.wifi_calling_enabled = not device.wifi_calling_enabled
    return _shown(world, f"Wi-Fi Calling is now {_on(device.wifi_calling_enabled)}.")


def check_vpn_status(world: Telecom) -> str:
    """Whether a VPN is connected, and to what."""
    device = world.user.device
    if not device.vpn_connected:
        return "VPN is turned ON in settings, but currently not connected." if device.vpn_enabled_setting else (
            "VPN is turned OFF.")
    if not device.vpn_details:
        return "VPN is ON and connected (no specific details available)."
    told = dict(device.vpn_details)
    level = told.pop("server_performance")
    spelt = f"'server_performance': <PerformanceLevel.{level.upper()}: {level!r}>"     # upstream prints the object
    return f"VPN is ON and connected. Details: {str(told)[:-1]}, {spelt}}}"


def connect_vpn(world: Telecom) -> str:
    """Connect to the VPN."""
    device = world.user.device
    if device.vpn_connected:
        return "VPN already connected."
    device.vpn_connected, device.vpn_details = True, world.vpn
    return _shown(world, "VPN connected successfully.")


def disconnect_vpn(world: Telecom) -> str:
    """Leave the VPN."""
    left = leave_vpn(world)
    return _shown(world, "VPN disconnected successfully." if left else "No active VPN connection to disconnect.")



def check_installed_apps(world: Telecom) -> str:
    """The names of the apps."""
    return f"The following apps are installed on the phone: {', '.join(world.user.device.app_statuses)}"


def check_app_status(world: Telecom, app_name: str) -> str:
    """What an app may do, line by line."""
    app = world.user.device.app_statuses.get(app_name)
    if app is None:
        return f"App '{app_name}' not found on this phone."
    allowed = [f"   - {name}" for name in _allowed(app)]
    return "\n".join([f"Status for App: {app_name}",
                      *([" - Permissions Granted:", *allowed] if allowed else [" - Permissions: None granted."])])


def _allowed(app: Any) -> list[str]:
    return [name.replace("_", " ") for name, allowed in app.permissions if allowed]


def check_app_permissions(world: Telecom, app_name: str) -> str:
    """What an app may do, in one line."""
    app = world.user.device.app_statuses.get(app_name)
    if app is None:
        return f"App '{app_name}' not found on this phone."
    allowed = _allowed(app)
    if not allowed:
        return f"App '{app_name}' currently has no permissions granted."
    return f"App '{app_name}' has permission for: {', '.join(allowed)}."


def grant_app_permission(world: Telecom, app_name: str, permission: str) -> str:
    """Let an app do something."""
    app, permission = world.user.device.app_statuses.get(app_name), permission.lower()
    if app is None:
        return _shown(world, f"Error. App '{app_name}' not found. Cannot grant permission.")
    known = list(type(app.permissions).model_fields)
    if permission not in known:
        return _shown(world, f"Error. Permission '{permission}' not tracked for app '{app_name}', available "
                             f"permissions: {known}")
    setattr(app.permissions, permission, True)
    return _shown(world, f"Success. Permission '{permission}' granted to app '{app_name}'.")


def can_send_mms(world: Telecom) -> str:
    """Whether picture messages can be sent."""
    return f"Your messaging app {'can' if sends_mms(world) else 'cannot'} send MMS messages."


def reboot_device(world: Telecom) -> str:
    """Start the phone anew: the access point is reset if that was asked for, and a network is searched for."""
    device, lines = world.user.device, list[str]()
    if device.active_apn_settings.reset_at_reboot:
        lines.append("Resetting APN settings...")
        device.active_apn_settings = world.shapes["user"]["APNSettings"]()
    search_network(world)
    return _shown(world, "\n".join([*lines, "Restarting network services..."]))


def check_payment_request(world: Telecom) -> str:
    """Whether the shop asks for money."""
    request = world.user.surroundings.payment_request
    if request is None:
        return "No payment request has been made."
    return f"You have a payment request for bill {request.bill_id} of {request.amount_due} USD."


def make_payment(world: Telecom) -> str:
    """Pay what is asked for."""
    request = world.user.surroundings.payment_request
    if request is None:
        return "You do not have a payment request."
    request.paid = True
    return f"Payment of {request.amount_due} USD has been made for bill {request.bill_id}."


TOOLS: dict[str, Tool] = {
    tool.__name__: tool
    for tool in (
        check_status_bar, check_network_status, check_network_mode_preference, set_network_mode_preference,
        run_speed_test, toggle_airplane_mode, check_sim_status, reseat_sim_card, toggle_data, toggle_roaming,
        check_data_restriction_status, toggle_data_saver_mode, check_apn_settings, set_apn_settings,
        reset_apn_settings, check_wifi_status, toggle_wifi, check_wifi_calling_status, toggle_wifi_calling,
        check_vpn_status, connect_vpn, disconnect_vpn, check_installed_apps, check_app_status, check_app_permissions,
        grant_app_permission, can_send_mms, reboot_device, check_payment_request, make_payment,
    )
}  # fmt: skip
"""Name -> tool."""
