"""What identifies an interface of a device from one poll to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

MAX_KEY = 200


def interface_keys(names: Mapping[int, tuple[str, str]]) -> dict[int, str]:
    """A key, unique within the device, for each ifIndex; `names` holds its (ifName, ifDescr).

    ifIndex may be given anew at any restart (RFC 2863 section 3.1.5), so it is the last resort: ifName if it is there
    and unique, else ifDescr if that is, else the doubled name with the ifIndex behind it, else "ifIndex N".
    """
    by_name = Counter(name for name, _ in names.values())
    by_descr = Counter(descr for _, descr in names.values())
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for index, (name, descr) in sorted(names.items()):
        if name and by_name[name] == 1:
            key = name
        elif descr and by_descr[descr] == 1:
            key = descr
        else:
            key = _suffixed(name or descr, index)
        if len(key) > MAX_KEY or key in taken:
            key = _suffixed(key, index)
        # one interface may be called what another one's suffix makes of its name
        while key in taken:
            key = _suffixed(f"{key} again", index)
        taken.add(key)
        keys[index] = key
    return keys


def _suffixed(name: str, index: int) -> str:
    suffix = f"ifIndex {index}"
    return f"{name[: MAX_KEY - len(suffix) - 3]} ({suffix})" if name else suffix
