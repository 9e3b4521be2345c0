"""Delivery of alerts to sinks beside Redis: webhooks, MQTT with Home Assistant, and the services of Apprise.

`notifier` passes each alert message to the sinks whose `routes` let it through. `delivery` carries the messages of a
sink from its queue in the spool. `webhook`, `mqtt` (with `discovery`) and `apprise` are the kinds of sinks.
"""

from streammon.alerting.sinks.notifier import Notifier, new_sink, require_reachable
from streammon.alerting.sinks.trial import TrialResult, try_sinks

__all__ = ["Notifier", "TrialResult", "new_sink", "require_reachable", "try_sinks"]
