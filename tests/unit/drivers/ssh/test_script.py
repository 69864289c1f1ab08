"""The script of a poll, and its answer taken apart: whole, cut, forged or strange."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.script import Command, Vtysh, batch_answers, build, split, split_documents

MARKER = "@@0123456789abcdef"
FORGED = "\n@@ffff rc 0\n\n@@ffff 1\nx"
WORDS = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")) | st.just(" "))


def run(commands: list[Command], shell: str = "sh") -> list[Answer] | None:
    line = build(commands, MARKER, timeout_seconds=10.0)
    done = subprocess.run(
        [shell, "-c", line], capture_output=True, timeout=60, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0
    return split(done.stdout, done.stderr, MARKER, len(commands))


def section(number: int, text: str, status: int) -> bytes:
    return f"\n{MARKER} {number}\n{text}\n{MARKER} rc {status}\n".encode()


def test_the_script_is_one_line_that_any_login_shell_passes_on():
    line = build([Command(("cat", "/proc/stat"), 2.5), Command(("echo", "it's"))], MARKER, timeout_seconds=10.0)
    assert line.startswith("exec sh -c ") and line.isprintable() and "\\" not in line and "!" not in line
    script = shlex.split(line)[3]
    assert "; s 0 3 cat /proc/stat; s 1 10 echo " in script


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_every_word_arrives_as_it_was_given(words):
    (answer,) = run([Command(("printf", "%s\\n", *words))]) or [None]
    assert answer is not None and answer.stdout == "".join(f"{word}\n" for word in words)


def test_a_machine_without_timeout_runs_the_commands_unguarded(tmp_path):
    (tmp_path / "sh").symlink_to("/bin/sh")
    (tmp_path / "cat").symlink_to("/bin/cat")
    line = build([Command(("cat", "/proc/version"))], MARKER, timeout_seconds=10.0)
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, env={"PATH": str(tmp_path)})
    (answer,) = split(done.stdout, done.stderr, MARKER, 1) or [None]
    assert answer is not None and answer.status == 0 and answer.stdout.startswith("Linux")


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (section(0, "a\n", 0) + section(1, "", 7), [Answer("a\n", "", 0), Answer("", "", 7)]),
        (b"login talk" + section(0, "a", 0) + section(1, "b", 0), [Answer("a", "", 0), Answer("b", "", 0)]),
        (section(0, "a", 0) + f"\n{MARKER} 1\npart".encode(), [Answer("a", "", 0), Answer("part", "", None)]),
        (section(0, "a", 0) + section(1, "b", 0)[:-2], [Answer("a", "", 0), Answer("b", "", None)]),
        (section(0, "a", 0), [Answer("a", "", 0), Answer("", "", None)]),
        (section(0, FORGED, 3), [Answer(FORGED, "", 3), Answer("", "", None)]),
        (b"", None),
        (b"% Unknown command: exec sh\n", None),
        (section(1, "b", 0), None),
        (MARKER.encode(), None),
    ],
)  # fmt: skip
def test_sections(stream, expected):
    assert split(stream, b"", MARKER, 2) == expected


@given(st.binary(), st.binary())
def test_no_answer_breaks_the_splitting(head, tail):
    whole = head + section(0, "x", 0) + tail
    answers = split(whole, tail, MARKER, 3)
    assert answers is None or len(answers) == 3


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ('{"a": 1}\n{}\n[]\n', 3, ['{"a": 1}', "{}", "[]"]),
        ("", 0, []),
        ("", 1, None),
        ("{}{}", 2, ["{}", "{}"]),
        ("{}", 2, None),
        ("{} {} {}", 2, None),
        ('{} % Unknown command: "x"', 2, None),
        ("warning\n{}", 1, None),
        ("[" * 100_000, 1, None),
    ],
)
def test_documents(text, count, expected):
    assert split_documents(text, count) == expected


def test_a_batch_that_was_cut_or_not_run_is_not_asked_again():
    lines = ("a json", "b json")
    assert batch_answers(Answer("{", "e", None), lines) == dict.fromkeys(lines, Answer("", "e", None))
    assert batch_answers(Answer("", "no", 127), lines) == dict.fromkeys(lines, Answer("", "no", 127))
    assert batch_answers(Answer("{}", "", 1), lines) is None


@pytest.mark.parametrize("make", [
    lambda: Vtysh(()), lambda: Vtysh(("",)), lambda: Vtysh(("a", "a")), lambda: Vtysh(("show\nconfigure",)),
    lambda: Vtysh(("a",), prefix=("su\0",)),
])  # fmt: skip
def test_a_batch_names_what_it_refuses(make):
    with pytest.raises(ValueError, match=r"^vtysh: "):
        make()


def test_a_batch_is_one_command():
    batch = Vtysh(("show a json", "show b"), prefix=("sudo", "-n"))
    assert batch.command(batch.lines).line == "sudo -n vtysh -c 'show a json' -c 'show b'"
    assert batch.json_lines == ("show a json",)
