"""Permissions that publishing needs, where the server has access control lists (ACL)."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from redis import exceptions as faults

from streammon.alerting.keys import Keys

# Numbers of the commands that this user may not execute; none of them is executed. Servers before Redis 7 can't tell.
FIND_DENIED = """
local denied = {}
if redis.acl_check_cmd then
    for number, command in ipairs(cjson.decode(ARGV[1])) do
        if not redis.acl_check_cmd(unpack(command)) then table.insert(denied, number) end
    end
end
return denied
"""

SHOWN = 3


class MissingPermissionError(faults.NoPermissionError):
    """This user may not execute commands that publishing needs.

    Attributes:
        denied: The first of these commands in words.
        remedy: The ACL rules that allow them all.
    """

    def __init__(self, denied: str, remedy: str) -> None:
        super().__init__(denied)
        self.denied = denied
        self.remedy = remedy


async def require_permissions(client: Any, keys: Keys, cameras: Collection[str]) -> None:
    """Refuse a user who may not execute every command that publishing needs.

    Raises:
        MissingPermissionError: Commands are denied.
        redis.exceptions.RedisError: The server can't be asked.
        OSError: The same.
    """
    commands = list(dict.fromkeys(_commands(keys, cameras)))
    numbers = await client.execute_command("EVAL", FIND_DENIED, 0, json.dumps(commands))
    denied = [_words(commands[number - 1]) for number in numbers]
    if denied:
        others = f" and {len(denied) - SHOWN} more" if len(denied) > SHOWN else ""
        raise MissingPermissionError(", ".join(denied[:SHOWN]) + others, _remedy(keys, commands))


def _commands(keys: Keys, cameras: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Every kind of command that the publisher sends, directly or in a script."""
    seen = keys.seen("0" * 32)
    yield "SET", keys.probe, "1"
    yield "EVAL", "", "2", seen, keys.alert_log
    yield "GET", seen
    yield "SET", seen, "1"
    yield "XADD", keys.alert_log, "*", "json", "{}"
    yield "PUBLISH", keys.alerts, "{}"
    yield "SADD", keys.cameras, "camera"
    for camera in cameras:
        yield "PUBLISH", keys.camera_alerts(camera), "{}"
        yield "PUBLISH", keys.scores(camera), "{}"
        yield "PUBLISH", keys.status_channel(camera), "{}"
        yield "SET", keys.status(camera), "{}"
        yield "EVAL", "", "1", keys.heatmap(camera)
        yield "SET", keys.heatmap(camera), "1"
    yield "EVAL", "", "2", seen, keys.health_log
    yield "XADD", keys.health_log, "*", "json", "{}"
    yield "PUBLISH", keys.health, "{}"
    yield "EVAL", "", "2", seen, keys.verdict_log
    yield "XADD", keys.verdict_log, "*", "json", "{}"
    yield "PUBLISH", keys.verdicts, "{}"


def _words(command: tuple[str, ...]) -> str:
    """A command and what it is applied to.

    >>> _words(("PUBLISH", "streammon:v1:alerts", "{}")), _words(("EVAL", "", "1", "streammon:v1:probe"))
    ('PUBLISH to streammon:v1:alerts', 'EVAL on streammon:v1:probe')
    """
    name, *arguments = command
    return f"{name} {'to' if name == 'PUBLISH' else 'on'} {arguments[-1] if name == 'EVAL' else arguments[0]}"


def _remedy(keys: Keys, commands: list[tuple[str, ...]]) -> str:
    names = sorted({f"+{name.lower()}" for name, *_ in commands})
    return f"allow it, as in ACL SETUSER <user> ~{keys.key_prefix}* &{keys.prefix}* {' '.join(names)}"
