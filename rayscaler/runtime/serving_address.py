"""Where a served model listens, and whether the workers of a stage reach it there."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from rayscaler.errors import ConfigError
from rayscaler.serving import Serving

ANYWHERE = ("0.0.0.0", "::")


def reached_at(host: str) -> str:
    """The address by which workers reach what listens on `host`: this node's own for `0.0.0.0`. Needs Ray for that."""
    if host not in ANYWHERE:
        return host
    import ray

    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def check_reach(serving: Serving, what: str) -> None:
    """Raise ConfigError if `what` would listen on this machine's loopback while workers run on other machines too."""
    if serving.url or not is_loopback(serving.host):
        return
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]  # type: ignore[no-untyped-call]
    here = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
    others = elsewhere([str(node["NodeManagerAddress"]) for node in nodes], here)
    if others:
        raise ConfigError(
            f"resources.serving.host: {what} would listen on {serving.host}, and {len(others)} other machines of this "
            f"cluster ({', '.join(others[:3])}{' …' if len(others) > 3 else ''}) could not reach it; set it to 0.0.0.0 "
            "or to an address of this machine, on a network that you trust: there is no key and no encryption"
        )


def elsewhere(addresses: Iterable[str], here: str) -> list[str]:
    """Addresses of other machines, in order. Several Ray nodes may be one machine: they have one address."""
    return sorted({one for one in addresses if one != here and not (is_loopback(one) and is_loopback(here))})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
