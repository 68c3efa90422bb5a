"""tau2-bench's mock: a list of tasks for the agent and an inbox for the user, the benchmark's own smallest example.

The semantics are tau2-bench's (commit in `tau2_bench.py`).
"""

from __future__ import annotations

from typing import Any

from rayscaler.evaluation.tau2_world import TwoSides
from rayscaler.evaluation.toolbox import Refused, Tool


def create_task(world: TwoSides, user_id: str, title: str, description: str | None = None) -> Any:
    """A new task of a user."""
    tasks = world.agent.tasks
    if user_id not in world.agent.users:
        raise Refused(f"User {user_id} not found")
    task_id = f"task_{len(tasks) + 1}"
    tasks[task_id] = world.shapes["agent"]["Task"](
        task_id=task_id, title=title, description=description, status="pending")
    world.agent.users[user_id].tasks.append(task_id)
    return tasks[task_id]


def get_users(world: TwoSides) -> list[Any]:
    """Everybody."""
    return list(world.agent.users.values())


def update_task_status(world: TwoSides, task_id: str, status: str) -> Any:
    """Another status of a task."""
    task = _task(world, task_id)
    task.status = status
    return task


def transfer_to_human_agents(_: TwoSides, summary: str) -> str:  # noqa: ARG001
    """Nothing here: the user says that it was transferred."""
    return "Transfer successful"


def check_notifications(world: TwoSides) -> list[Any]:
    """The user's inbox."""
    return list(world.user.notifications.values())


def dismiss_notification(world: TwoSides, notification_id: str) -> str:
    """Mark a notification as read."""
    _notification(world, notification_id).status = "read"
    return f"Notification {notification_id} dismissed"


def _task(world: TwoSides, task_id: str) -> Any:
    if task_id not in world.agent.tasks:
        raise Refused(f"Task {task_id} not found")
    return world.agent.tasks[task_id]


def _notification(world: TwoSides, notification_id: str) -> Any:
    if notification_id not in world.user.notifications:
        raise Refused(f"Notification {notification_id} not found")
    return world.user.notifications[notification_id]


def _add_notification(world: TwoSides, notification_id: str, message: str, task_id: str | None = None) -> None:
    world.user.notifications[notification_id] = world.shapes["user"]["Notification"](
        notification_id=notification_id, message=message, task_id=task_id)


def _has_tasks(world: TwoSides, user_id: str, expected_number: int) -> bool:
    if user_id not in world.agent.users:
        raise Refused(f"User {user_id} not found")
    return len(world.agent.users[user_id].tasks) == expected_number


def _has_status(world: TwoSides, task_id: str, expected_status: str) -> bool:
    return bool(_task(world, task_id).status == expected_status)


def _has_read(world: TwoSides, notification_id: str, expected_status: str) -> bool:
    return bool(_notification(world, notification_id).status == expected_status)


TOOLS: dict[str, Tool] = {
    tool.__name__: tool for tool in (create_task, get_users, update_task_status, transfer_to_human_agents)
}
"""The agent's tools by name."""

USER_TOOLS: dict[str, Tool] = {tool.__name__: tool for tool in (check_notifications, dismiss_notification)}
"""The user's tools by name."""

FUNCTIONS: dict[str, Tool] = {"assert_number_of_tasks": _has_tasks, "assert_task_status": _has_status}
USER_FUNCTIONS: dict[str, Tool] = {"add_notification": _add_notification, "assert_notification_status": _has_read}
"""What initial states and assertions call besides the tools: upstream's names."""
