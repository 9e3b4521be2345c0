"""Test of the configured sinks with a made-up alert."""

import asyncio
from dataclasses import dataclass

from streammon.alerting.sinks.notifier import new_sink
from streammon.alerting.sinks.samples import sample_notification
from streammon.alerting.sinks.sink import Notification, Sink, SinkError
from streammon.config import Config
from streammon.errors import ConfigError, bug_in_one_line
from streammon.records import AlertEvent


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Result of one sink's test.

    Attributes:
        sink: Name of the sink.
        place: Kind and address of the sink, without anything secret.
        taken: True if the receiver took the test alert.
        reason: Why it did not, in a few words; else empty.
    """

    sink: str
    place: str
    taken: bool
    reason: str = ""


async def try_sinks(config: Config, only: str | None = None) -> list[TrialResult]:
    """Send a made-up alert to each sink, past its route, and say which took it.

    Args:
        config: The sinks.
        only: Name of the one sink to test; None for all.

    Raises:
        ConfigError: There is no sink, none of that name, or a sink's settings can't be used.
    """
    if not config.notify:
        raise ConfigError("notify", "no sink is configured", "add one, see streammon/config/README.md")
    if only is not None and only not in config.notify:
        raise ConfigError("SINK", f"there is no sink {only!r}", f"name one of {', '.join(config.notify)}")
    sinks = {name: new_sink(name, config) for name in config.notify if only in (None, name)}
    samples = {name: _sample(config, name) for name in sinks}
    return list(await asyncio.gather(*(_try(name, sink, samples[name]) for name, sink in sinks.items())))


def _sample(config: Config, name: str) -> Notification:
    """A message of a camera and an event that the sink is given."""
    sink = config.notify[name]
    camera = (sink.cameras or list(config.cameras))[0]
    return sample_notification(camera, next(event for event in AlertEvent if event in sink.delivered_events))


async def _try(name: str, sink: Sink, sample: Notification) -> TrialResult:
    try:
        async with sink:
            await sink.deliver_test(sample)
    except SinkError as error:
        return TrialResult(name, sink.place, False, error.reason)
    except Exception as error:  # of the sink's library: the others are tested all the same
        return TrialResult(name, sink.place, False, bug_in_one_line(error))
    return TrialResult(name, sink.place, True)
