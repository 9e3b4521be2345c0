"""Scenes whose files change while the monitor runs: loaded by a thread of its own, and used from a next frame on."""

import logging
from collections.abc import Callable, Iterable

from streammon.errors import StreammonError, bug_in_one_line
from streammon.live.scenes import LiveScene
from streammon.records import Notice
from streammon.threads import StoppableThread

CHECK_S = 3.0
"""Seconds between two looks at the files' sizes and times: an operator who has fitted a scene waits no longer."""

logger = logging.getLogger(__name__)


class SceneReloader(StoppableThread):
    """Loads scenes whose files have changed, one after the other, while the scorer goes on with the earlier ones.

    Args:
        scenes: Scenes of the scorer.
        tell: Called in the thread with each change and each failure; may block for a moment.
    """

    def __init__(self, scenes: Iterable[LiveScene], tell: Callable[[Notice], None]) -> None:
        super().__init__("streammon-scenes")
        self._scenes = tuple(scenes)
        self._tell = tell

    def _run(self) -> None:
        while not self._stopping.wait(CHECK_S):
            for scene in self._scenes:
                if not self._stopping.is_set():
                    self._reload(scene)

    def _reload(self, scene: LiveScene) -> None:
        try:
            changed = scene.reload()
        except StreammonError as error:
            self._tell(Notice(f"{error}; until then the scene stays as it was loaded"))
        except Exception as error:
            logger.error("scene '%s': its new files can't be loaded: %s", scene.name, bug_in_one_line(error))
        else:
            if changed:
                self._tell(Notice(changed))
