"""The embedded broker: no reader ever sees half a message, and messages are nobody else's business."""

import stat
import threading
from pathlib import Path
from typing import Any

from kombu import Connection

from netmon import celery  # noqa: F401 - registers the transport

COUNT = 400
# Queue names of their own: kombu remembers per process what it has bound, whatever the folder.


def connect(tmp_path: Path) -> Connection:
    options = {"data_folder_in": str(tmp_path / "q"), "data_folder_out": str(tmp_path / "q")}
    return Connection(
        "netmonfs://localhost",
        transport_options={**options, "control_folder": str(tmp_path / "control"), "polling_interval": 0.01},
    )


def test_a_reader_beside_busy_writers_gets_every_message_whole(tmp_path: Path) -> None:
    with connect(tmp_path) as first:
        first.SimpleQueue("torrent").close()

    def produce(start: int) -> None:
        with connect(tmp_path) as connection, connection.SimpleQueue("torrent") as queue:
            for number in range(start, start + COUNT):
                queue.put({"number": number, "padding": "x" * 2000})

    producers = [threading.Thread(target=produce, args=(n * COUNT,)) for n in range(3)]
    for producer in producers:
        producer.start()
    seen: list[int] = []
    with connect(tmp_path) as connection, connection.SimpleQueue("torrent") as queue:
        while len(seen) < 3 * COUNT:
            message: Any = queue.get(timeout=10)  # a half-written one would raise JSONDecodeError here
            seen.append(message.payload["number"])
            message.ack()
    for producer in producers:
        producer.join()
    assert sorted(seen) == list(range(3 * COUNT))
    assert list((tmp_path / "q").iterdir()) == []


def test_folder_and_messages_are_private(tmp_path: Path) -> None:
    with connect(tmp_path) as connection, connection.SimpleQueue("letterbox") as queue:
        queue.put({"id": 1})
        (message,) = (tmp_path / "q").iterdir()
        assert stat.S_IMODE(message.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "q").stat().st_mode) == 0o700
