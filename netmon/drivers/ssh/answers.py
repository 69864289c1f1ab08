"""What a command on a device answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One command's answer. `status` is its exit status, or None where it was cut off: then the texts prove nothing.

    124 is the status of a command that ran into its time limit (coreutils timeout). The texts are decoded as UTF-8
    with replacement characters and are as hostile as the device: escape codes and all.
    """

    stdout: str
    stderr: str = ""
    status: int | None = 0

    @property
    def is_whole(self) -> bool:
        """Whether the command ended by itself, well or badly."""
        return self.status is not None and self.status != 124
