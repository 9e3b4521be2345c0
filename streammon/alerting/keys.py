"""Names of all Redis keys and channels.

With the default prefix and a camera called `lobby`:

| name | type and content |
|---|---|
| `streammon:v1:cameras` | set: the names of all cameras that ever had a status |
| `streammon:v1:cam:lobby:scores` | channel: one message a scored frame |
| `streammon:v1:cam:lobby:alerts` | channel: this camera's alert messages |
| `streammon:v1:cam:lobby:status` | string and channel: the camera's latest status |
| `streammon:v1:cam:lobby:heatmap` | string: PNG, expires |
| `streammon:v1:alerts` | channel: the alert messages of all cameras |
| `streammon:v1:alerts:log` | stream: log of all cameras' alert messages, in the field `json` |
| `streammon:v1:health` | channel: health messages |
| `streammon:v1:health:log` | stream: log of all health messages, in the field `json` |
| `streammon:v1:verdicts` | channel: verdicts on alerts |
| `streammon:v1:verdicts:log` | stream: log of all verdicts, in the field `json` |
| `streammon:v1:alerts:seen:<id>` | string: the last part of this alert in the log, expires |
| `streammon:v1:probe` | string: written to check that Redis accepts writes, expires |

In a cluster the keys begin with `{streammon:v1:}` instead; the channels stay as they are.
"""

import re
from dataclasses import dataclass

HASH_TAG = re.compile(r"[^{]*\{[^}]+\}")
"""Beginning of a key of which Redis hashes a part in braces, not the whole."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Key and channel names below one prefix.

    Attributes:
        prefix: Prefix of every name.
        in_cluster: The keys share one hash tag, so that they lie in one slot of a Redis cluster and a script may use
            several of them.

    >>> Keys("streammon:v1:").heatmap("lobby"), Keys("streammon:v1:", in_cluster=True).heatmap("lobby")
    ('streammon:v1:cam:lobby:heatmap', '{streammon:v1:}cam:lobby:heatmap')
    """

    prefix: str
    in_cluster: bool = False

    @property
    def key_prefix(self) -> str:
        """Prefix of the keys: in a cluster with a hash tag, unless the configured prefix has one."""
        if not self.in_cluster or HASH_TAG.match(self.prefix):
            return self.prefix
        braces = "{" in self.prefix or "}" in self.prefix
        return f"{{streammon}}{self.prefix}" if braces else f"{{{self.prefix}}}"

    @property
    def cameras(self) -> str:
        """Set of camera names."""
        return f"{self.key_prefix}cameras"

    @property
    def alerts(self) -> str:
        """Channel of all alert messages."""
        return f"{self.prefix}alerts"

    @property
    def alert_log(self) -> str:
        """Stream of all alert messages."""
        return f"{self.key_prefix}alerts:log"

    @property
    def health(self) -> str:
        """Channel of all health messages."""
        return f"{self.prefix}health"

    @property
    def health_log(self) -> str:
        """Stream of all health messages."""
        return f"{self.key_prefix}health:log"

    @property
    def verdicts(self) -> str:
        """Channel of all verdicts."""
        return f"{self.prefix}verdicts"

    @property
    def verdict_log(self) -> str:
        """Stream of all verdicts."""
        return f"{self.key_prefix}verdicts:log"

    @property
    def probe(self) -> str:
        """Key written to check that Redis accepts writes."""
        return f"{self.key_prefix}probe"

    def seen(self, alert_id: str) -> str:
        """Key of the last part of one alert in the log."""
        return f"{self.key_prefix}alerts:seen:{alert_id}"

    def scores(self, camera: str) -> str:
        """Channel of one camera's scores."""
        return f"{self.prefix}cam:{camera}:scores"

    def camera_alerts(self, camera: str) -> str:
        """Channel of one camera's alert messages."""
        return f"{self.prefix}cam:{camera}:alerts"

    def status(self, camera: str) -> str:
        """Key of one camera's status."""
        return f"{self.key_prefix}cam:{camera}:status"

    def status_channel(self, camera: str) -> str:
        """Channel of one camera's status."""
        return f"{self.prefix}cam:{camera}:status"

    def heatmap(self, camera: str) -> str:
        """Key of one camera's heatmap."""
        return f"{self.key_prefix}cam:{camera}:heatmap"
