"""A task from the doctor who causes it to the colleague who closes it, by command."""

from __future__ import annotations

import json
from typing import Any

from tests.phone import Phone
from tests.running import Service


def listed(service: Service, task_id: int, *more: str) -> dict[str, Any] | None:
    found = [json.loads(line) for line in service.prints("tasks", *more).splitlines()]
    return next((task for task in found if task["id"] == task_id), None)


async def test_a_task_is_acknowledged_and_closed(doctor: Phone, service: Service) -> None:
    service.prints("staff", "add", "task-medical", "--role", "medical")
    service.prints("staff", "add", "task-rep", "--role", "rep")
    assert "医学信息部" in await doctor.ask("二甲双胍能减肥吗")
    tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
    task = max((task for task in tasks if task["kind"] == "medical_information"), key=lambda task: task["id"])
    assert (task["owner_role"], task["acknowledged_at"], task["escalated_at"]) == ("medical", None, None)
    number = str(task["id"])
    refused = service.medrep("tasks", "close", number, "--as", "task-rep")
    assert refused.returncode == 2 and "roles medical" in refused.stderr
    service.prints("tasks", "acknowledge", number, "--as", "task-medical")
    shown = listed(service, task["id"])
    assert shown and (shown["state"], shown["acknowledged_by"]) == ("acknowledged", "task-medical")
    service.prints("tasks", "close", number, "--as", "task-medical", "--note", "已发资料")
    assert listed(service, task["id"]) is None
    shown = listed(service, task["id"], "--all")
    assert shown and (shown["state"], shown["closed_by"]) == ("done", "task-medical")
    assert "已发资料" in shown["detail"]
