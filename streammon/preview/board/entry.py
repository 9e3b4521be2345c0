"""One alert of the journal: its latest message, pictures, frames and judgement."""

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any

from streammon.preview.board.timeline import shown_level
from streammon.preview.streams import Still
from streammon.records import Alert, AlertEvent, Box, Judgement


@dataclass(slots=True)
class Entry:
    """One alert of the journal.

    Attributes:
        alert: Latest message of the alert.
        size: Width and height of the stream that is scored; None before its first scored frame.
        boxes: Abnormal regions at the alert's peak.
        pictures: JPEG at the alert's peak, by stream.
        version: Number of changes of `pictures`; 0 while there are none.
        judgement: Verdict and acknowledgement.
        frames: Frames for normal footage: from before the alert, then from while it was open.
        normal_frames: Number of frames saved as normal footage by the verdict normal; None unless it saved frames.
    """

    alert: Alert
    size: tuple[int, int] | None = None
    boxes: tuple[Box, ...] = ()
    pictures: dict[str, bytes] = field(default_factory=dict)
    version: int = 0
    judgement: Judgement = field(default_factory=Judgement)
    frames: list[Still] = field(default_factory=list)
    normal_frames: int | None = None
    pictured: asyncio.Event = field(default_factory=asyncio.Event)  # set once `pictures` were tried to be taken
    shown_score: float = float("-inf")  # score of the frame in `pictures`
    boxed_score: float = float("-inf")  # score of the frame of `boxes`
    keep_every: int = 1  # every n-th frame is kept while the alert is open
    seen: int = 0  # number of frames while the alert was open

    @property
    def is_open(self) -> bool:
        """True while the alert is open."""
        return self.alert.event is not AlertEvent.CLOSE

    def as_json(self) -> dict[str, Any]:
        """The entry for the page; boxes are [x, y, width, height] in pixels of the stream that is scored."""
        alert = self.alert
        return {
            "id": alert.id,
            "camera": alert.camera,
            "scene": alert.scene,
            "open": self.is_open,
            "opened_s": round(alert.opened_s, 3),
            "time_s": round(alert.time_s, 3),
            "closed_s": None if alert.closed_s is None else round(alert.closed_s, 3),
            "level": shown_level(alert.level),
            "peak_level": shown_level(alert.peak_level),
            "channel": str(alert.channel),
            "reason": alert.channel.reason,
            "basis_s": round(alert.basis_s, 3),
            "provisional": alert.provisional,
            "size": self.size,
            "boxes": [[box.x, box.y, box.width, box.height] for box in self.boxes],
            "boxes_now": [[box.x, box.y, box.width, box.height] for box in alert.boxes] if self.is_open else [],
            "pictures": self.version,
            **asdict(self.judgement),
            "frames": len(self.frames),
            "normal_frames": self.normal_frames,
        }
