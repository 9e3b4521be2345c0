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
| `streammon:v1:alerts:seen:<id>` | string: the last part of this alert in the log, expires |
| `streammon:v1:probe` | string: written to check that Redis accepts writes, expires |
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key and channel names below one prefix.

    >>> Keys("streammon:v1:").scores("lobby")
    'streammon:v1:cam:lobby:scores'
    """

    prefix: str

    @property
    def cameras(self) -> str:
        """Set of camera names."""
        return f"{self.prefix}cameras"

    @property
    def alerts(self) -> str:
        """Channel of all alert messages."""
        return f"{self.prefix}alerts"

    @property
    def alert_log(self) -> str:
        """Stream of all alert messages."""
        return f"{self.prefix}alerts:log"

    @property
    def probe(self) -> str:
        """Key written to check that Redis accepts writes."""
        return f"{self.prefix}probe"

    def seen(self, alert_id: str) -> str:
        """Key of the last part of one alert in the log."""
        return f"{self.prefix}alerts:seen:{alert_id}"

    def scores(self, camera: str) -> str:
        """Channel of one camera's scores."""
        return f"{self.prefix}cam:{camera}:scores"

    def camera_alerts(self, camera: str) -> str:
        """Channel of one camera's alert messages."""
        return f"{self.prefix}cam:{camera}:alerts"

    def status(self, camera: str) -> str:
        """Key and channel of one camera's status."""
        return f"{self.prefix}cam:{camera}:status"

    def heatmap(self, camera: str) -> str:
        """Key of one camera's heatmap."""
        return f"{self.prefix}cam:{camera}:heatmap"
