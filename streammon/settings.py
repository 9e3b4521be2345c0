"""Settings: every number that was chosen is a field of a frozen dataclass, with its unit, reason and footage.

A room's settings are one dataclass of groups, each a dataclass of settings: `motion.settings`,
`calibration.settings` and `scene.settings`. The table in each room's README is `settings_table` of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

Value = TypeVar("Value")

NOT_RECORDED = "not recorded"


class Effect(StrEnum):
    """Effect of changing a setting."""

    TUNING = "tuning"  # other scores
    FILES = "fixes files"  # other arrays in a scene's files, or other meaning of them: fitted scenes can't be read
    NUMERICAL = "numerical"  # a guard against division by zero, or the truncation of a sum; hardly any effect
    WATCHING = "watching"  # other alerts for the same scores: fitted scenes remain valid


def setting(value: Value, unit: str, reason: str, on: str = NOT_RECORDED, effect: Effect = Effect.TUNING) -> Value:
    """A dataclass field with the facts of one setting as metadata.

    Args:
        value: Its value.
        unit: Unit of the value.
        reason: Why the setting exists, or why it has this value.
        on: Footage that the value was chosen on.
        effect: Effect of changing the value.
    """
    return field(default=value, metadata={"unit": unit, "reason": reason, "on": on, "effect": effect})


@dataclass(frozen=True)
class Setting:
    """One setting and its facts.

    Attributes:
        name: Group and field, as in `flow.grid`.
        value: Its value.
        unit: Unit of the value.
        reason: Why the setting exists, or why it has this value.
        chosen_on: Footage that the value was chosen on, or "not recorded".
        effect: Effect of changing the value.
    """

    name: str
    value: object
    unit: str
    reason: str
    chosen_on: str
    effect: Effect

    @property
    def shown(self) -> str:
        """The value as text: a unit fraction where that is shorter than the decimals.

        >>> [Setting("", value, "", "", "", Effect.TUNING).shown for value in (1 / 45, 0.5, (0.75, float("inf")))]
        ['1/45', '0.5', '0.75, inf']
        """
        if isinstance(self.value, tuple):
            return ", ".join(map(repr, self.value))
        if isinstance(self.value, float) and 0 < self.value < 1:
            inverse = round(1 / self.value)
            if 1 / inverse == self.value:
                return min(repr(self.value), f"1/{inverse}", key=len)
        return repr(self.value)


def all_settings(settings: object) -> Iterator[Setting]:
    """A room's settings with their facts, in the order of the fields.

    Args:
        settings: A dataclass of groups.
    """
    assert is_dataclass(settings)
    for group in fields(settings):
        members = getattr(settings, group.name)
        assert is_dataclass(members)
        for each in fields(members):
            unit, reason, on, effect = (each.metadata[fact] for fact in ("unit", "reason", "on", "effect"))
            yield Setting(f"{group.name}.{each.name}", getattr(members, each.name), unit, reason, on, effect)


def settings_table(settings: object) -> str:
    """Table of a room's settings in Markdown."""
    rows: list[tuple[str, ...]] = [("setting", "value", "unit", "reason", "chosen on", "effect"), ("---",) * 6]
    rows += [
        (f"`{each.name}`", each.shown, each.unit, each.reason, each.chosen_on, each.effect)
        for each in all_settings(settings)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def settings_hash(*rooms: object) -> str:
    """Hash of the values of the rooms' settings: what was learned under one hash doesn't fit another.

    The first 12 hexadecimal digits of SHA-256 over one line `name=value` a setting, sorted by name. Settings with the
    effect "watching" are left out.

    >>> len(settings_hash())
    12
    """
    lines = sorted(
        f"{each.name}={each.value!r}"
        for room in rooms
        for each in all_settings(room)
        if each.effect is not Effect.WATCHING
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:12]
