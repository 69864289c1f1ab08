"""kombu's filesystem transport with one repair: a message gets its final name only when it is complete.

kombu 5.7 opens the final name and then writes (kombu issue 1551): a reader in that instant takes an empty file and its
worker dies of "JSONDecodeError". Writing beside it and renaming is atomic within one file system.
"""

import os
import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for folder in {self.data_folder_in, self.data_folder_out, str(self.control_folder)}:
            # Messages are readable JSON: ids only, but nobody else's business.
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        final = os.path.join(self.data_folder_out, name)
        draft = os.path.join(self.data_folder_out, f".{name}.part")
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(str_to_bytes(dumps(payload)))
        os.replace(draft, final)


class Transport(filesystem.Transport):
    Channel = Channel
