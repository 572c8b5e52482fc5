"""Loopback hosts: plain http is allowed to them alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
