#!/usr/bin/env python3
"""Third-party files of the browser, and the IEEE's prefixes: brought in rarely, committed,
and checked without a network.

.ci/vendor.py add NAME@VERSION   fetch with `npm pack`, check its integrity, copy the listed files, write the lock
.ci/vendor.py check              compare every file with the lock and docs/third-party.md with its source
.ci/vendor.py docs               write docs/third-party.md
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "netmon/static/vendor/vendor.lock.json"
DOCS = ROOT / "docs/third-party.md"

ICONS = [
    "activity",
    "adjustments",
    "alert-triangle",
    "api",
    "arrow-down",
    "arrow-up",
    "bell",
    "book",
    "camera",
    "check",
    "chevron-down",
    "chevron-right",
    "circle-check",
    "clock",
    "database",
    "device-desktop",
    "dots",
    "download",
    "help-circle",
    "history",
    "layout-dashboard",
    "link",
    "lock",
    "login",
    "logout",
    "map-2",
    "menu-2",
    "moon",
    "pencil",
    "plug",
    "plus",
    "refresh",
    "report",
    "router",
    "search",
    "server",
    "server-2",
    "settings",
    "shield-check",
    "sun",
    "switch-horizontal",
    "topology-star-3",
    "user",
    "wall",
    "world",
    "x",
    "zoom-reset",
]

# What is taken from a package: {file in the package: file here}. The licence is always taken; `licence_file` names it
# where it has no file of its own.
PACKAGES: dict[str, dict[str, Any]] = {
    "uplot": {
        "folder": "netmon/static/vendor/uplot",
        "licence": "MIT",
        "purpose": "charts",
        "files": {"dist/uPlot.iife.min.js": "uPlot.iife.min.js", "dist/uPlot.min.css": "uPlot.min.css"},
    },
    "@fontsource-variable/inter": {
        "folder": "netmon/static/vendor/inter",
        "licence": "OFL-1.1",
        "purpose": "typeface",
        "files": {"files/inter-latin-wght-normal.woff2": "inter-latin-wght-normal.woff2"},
    },
    "htmx.org": {
        "folder": "netmon/static/vendor/htmx",
        "licence": "0BSD",
        "purpose": "live parts of pages",
        "files": {"dist/htmx.min.js": "htmx.min.js"},
    },
    "@tabler/icons": {
        "folder": "netmon/static/vendor/tabler-icons",
        "licence": "MIT",
        "purpose": "icons, as one sprite",
        "files": {},
        "sprite": ICONS,
    },
    "oui-data": {
        "folder": "netmon/drivers/oui_data",
        "licence": "BSD-2-Clause",
        "purpose": "vendors of MAC addresses: the public list of the IEEE, which asserts no copyright in it",
        "files": {},
        "licence_file": "README.md",
        "prefixes": "index.json",
    },
    "axe-core": {
        "folder": "tests/browser/vendor/axe",
        "licence": "MPL-2.0",
        "purpose": "accessibility tests; not part of the product",
        "files": {"axe.min.js": "axe.min.js"},
    },
}
LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")


def read_lock() -> dict[str, Any]:
    lock: dict[str, Any] = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    return lock


def add(spec: str) -> None:
    name, _, version = spec.rpartition("@")
    if name not in PACKAGES or not version:
        sys.exit(f"Write NAME@VERSION with a NAME of: {', '.join(PACKAGES)}.")
    package = PACKAGES[name]
    folder = ROOT / package["folder"]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        packed = subprocess.run(
            ["npm", "pack", "--json", "--ignore-scripts", spec], cwd=scratch, check=True, capture_output=True, text=True
        )
        answer = json.loads(packed.stdout)
        entry = answer[0] if isinstance(answer, list) else next(iter(answer.values()))
        tarball = Path(scratch) / entry["filename"]
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        known = read_lock().get(name, {})
        expected = known["integrity"] if known.get("version") == version else entry["integrity"]
        if integrity != expected:
            sys.exit(f"{spec}: integrity is {integrity}, expected {expected}.")
        files = {}
        with tarfile.open(tarball) as archive:
            members = set(archive.getnames())
            named = package.get("licence_file")
            licence = named or next(n for n in LICENCE_NAMES if f"package/{n}" in members)
            for source, target in {**package["files"], licence: named or "LICENSE"}.items():
                stream = archive.extractfile(f"package/{source}")
                assert stream is not None, source
                content = stream.read()
                (folder / target).write_bytes(content)
                files[target] = hashlib.sha256(content).hexdigest()
            if icons := package.get("sprite"):
                content = sprite(archive, icons)
                (folder / "icons.svg").write_bytes(content)
                files["icons.svg"] = hashlib.sha256(content).hexdigest()
            if source := package.get("prefixes"):
                content = prefixes(archive, source)
                (folder / "prefixes.txt").write_bytes(content)
                files["prefixes.txt"] = hashlib.sha256(content).hexdigest()
    lock = read_lock()
    lock[name] = {
        "version": version,
        "licence": package["licence"],
        "integrity": integrity,
        "folder": package["folder"],
        "sha256": dict(sorted(files.items())),
    }
    LOCK.write_text(json.dumps(dict(sorted(lock.items())), indent=2) + "\n", encoding="utf-8")
    DOCS.write_text(third_party(), encoding="utf-8")
    print(f"{spec}: {len(files)} files in {package['folder']}")


def sprite(archive: tarfile.TarFile, icons: list[str]) -> bytes:
    """One file of symbols: a page fetches it once and refers to each by its name."""
    symbols = []
    for icon in icons:
        stream = archive.extractfile(f"package/icons/outline/{icon}.svg")
        assert stream is not None, icon
        shapes = re.findall(r"<(?:path|circle|rect|line|polyline|ellipse)\b[^>]*/>", stream.read().decode())
        symbols.append(
            f'<symbol id="{icon}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            f'stroke-linecap="round" stroke-linejoin="round">{"".join(shapes)}</symbol>'
        )
    return ('<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(symbols) + "</svg>\n").encode()


def prefixes(archive: tarfile.TarFile, source: str) -> bytes:
    """One line for each organisation: its name, a tab, its prefixes. Postal addresses are left out."""
    stream = archive.extractfile(f"package/{source}")
    assert stream is not None, source
    found: dict[str, list[str]] = {}
    for prefix, entry in json.loads(stream.read()).items():
        name = " ".join(entry.split("\n")[0].split())
        if name != "IEEE Registration Authority":  # its blocks are handed on in smaller ones
            found.setdefault(name, []).append(prefix.upper())
    return "".join(f"{name}\t{' '.join(sorted(found[name]))}\n" for name in sorted(found)).encode()


def third_party() -> str:
    lines = [
        "# Third-party files",
        "",
        "Committed with their licences; written by `.ci/vendor.py` from `netmon/static/vendor/vendor.lock.json`.",
        "Python packages are listed in `requirements/`.",
        "",
        "| Package | Version | Licence | Used for | Folder |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, entry in read_lock().items():
        lines.append(
            f"| {name} | {entry['version']} | {entry['licence']} | {PACKAGES[name]['purpose']} | `{entry['folder']}/` |"
        )
    return "\n".join(lines) + "\n"


def check() -> None:
    faults = []
    lock = read_lock()
    faults += [f"{name}: not in the lock" for name in PACKAGES.keys() - lock.keys()]
    for entry in lock.values():
        folder = ROOT / entry["folder"]
        for file, expected in entry["sha256"].items():
            path = folder / file
            found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
            if found != expected:
                faults.append(f"{path.relative_to(ROOT)}: {found}, the lock says {expected}")
        faults += [
            f"{path.relative_to(ROOT)}: not in the lock"
            for path in folder.iterdir()
            if path.is_file() and path.name not in entry["sha256"]
        ]
    if not DOCS.exists() or DOCS.read_text(encoding="utf-8") != third_party():
        faults.append("docs/third-party.md: not what the lock says; run .ci/vendor.py docs")
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(lock)} packages as locked.")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["add", spec]:
            add(spec)
        case ["check"]:
            check()
        case ["docs"]:
            DOCS.write_text(third_party(), encoding="utf-8")
        case _:
            sys.exit(__doc__)
