"""The third-party files are those of the lock."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_files_are_those_of_the_lock():
    done = subprocess.run([sys.executable, ".ci/vendor.py", "check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_own_scripts_never_write_markup_from_data():
    for script in (ROOT / "netmon/static").glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert danger not in text, f"{script.name}: {danger}"
        assert text.count("\n") < 400


def test_templates_have_no_inline_code():
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        dangers = ["|safe", "autoescape off", " style=", " onclick=", " hx-on", "<style", "javascript:"]
        if "mail" in template.parts:  # a mail has no stylesheet, and no page that a style could leave
            dangers.remove(" style=")
        for danger in dangers:
            assert danger not in text, f"{template}: {danger}"
        assert "<script>" not in text, template
