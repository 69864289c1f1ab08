"""What documents and deployment files are held against: the environment variables that the settings read."""

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
READERS = {"addresses", "text", "boolean", "integer", "words", "choice", "database", "broker", "_secret"}


def setting_names() -> set[str]:
    """The first argument of every env reader that netmon/settings.py calls."""
    tree = ast.parse((REPOSITORY / "netmon" / "settings.py").read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in READERS and isinstance(node.args[0].value, str):
                names.add(node.args[0].value)
    return names


def page(path: str) -> str:
    return (REPOSITORY / path).read_text()


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of all table rows, without heads and rules."""
    lines = markdown.splitlines()
    rows = []
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and re.match(r"^\|[\s:|-]+\|$", lines[number + 1])
        if line.startswith("|") and not is_head and not re.match(r"^\|[\s:|-]+\|$", line):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows
