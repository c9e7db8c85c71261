"""A port that a process of ours is to listen on."""

from __future__ import annotations

import socket

from bot.service.postgres import EPHEMERAL, LOWEST, free_port


def test_it_is_free_and_no_outgoing_connection_is_given_it() -> None:
    ports = [free_port() for _ in range(50)]
    assert all(LOWEST <= port < EPHEMERAL for port in ports)
    assert len(set(ports)) > 40
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports[0]))
