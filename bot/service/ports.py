"""Ports that the service is to listen on, looked at before anything is started."""

from __future__ import annotations

import socket

from bot.model import Fault, MedrepError


def refuse_used_ports(ports: dict[str, int]) -> None:
    """Raise MedrepError(CONFIGURATION) naming each setting whose port somebody else listens on."""
    taken = []
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                taken.append(f"port {port} is in use or not allowed; choose another with {name}")
    if len(set(ports.values())) < len(ports):
        taken.append(f"{', '.join(ports)} must differ")
    if taken:
        raise MedrepError(Fault.CONFIGURATION, "; ".join(taken))
