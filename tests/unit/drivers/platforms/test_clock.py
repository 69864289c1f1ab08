from __future__ import annotations

import pytest

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.clock import ntp_status
from netmon.drivers.ssh.answers import Answer
from tests.unit.drivers.platforms.captures import capture, r1


def chrony(tracking: Answer, sources: Answer):
    return ntp_status({"chrony_tracking": tracking, "chrony_sources": sources})


def test_chrony_at_rest():
    status = chrony(r1("chronyc_tracking.csv"), r1("chronyc_sources.csv"))
    # chronyc's own words for this reading: "0.0000036 seconds fast"
    assert status["offset_seconds"] == -0.000003618
    assert (status["source"], status["is_synchronised"], status["stratum"]) == ("chrony", True, 9)
    assert (status["leap"], status["reach"], status["reference"]) == ("normal", 255, "10.213.0.21")
    (source,) = status["sources"]
    assert source["is_selected"] and source["last_answer_seconds"] == 5.0 and source["poll_seconds"] == 8
    assert source["offset_seconds"] == 0.000000636


@pytest.mark.parametrize(("case", "answered"), [("chrony-just-started", True), ("chrony-unreachable", False)])
def test_chrony_not_synchronised(case, answered):
    status = chrony(capture(f"{case}/s2/chronyc_tracking.csv"), capture(f"{case}/s2/chronyc_sources.csv"))
    assert not status["is_synchronised"] and status["leap"] == "not_synchronised" and status["stratum"] == 0
    assert (status["sources"][0]["last_answer_seconds"] is not None) is answered
    assert ("No source answers" in status["reason"]) is not answered


def test_chrony_whose_source_was_lost_still_says_normal():
    sources = r1("chronyc_sources.csv").stdout
    lost = chrony(r1("chronyc_tracking.csv"), Answer(sources.replace("^,*", "^,?").replace(",377,", ",0,")))
    assert not lost["is_synchronised"] and lost["leap"] == "normal" and "No source" in lost["reason"]
    fading = chrony(r1("chronyc_tracking.csv"), Answer(sources.replace(",377,", ",360,")))
    assert fading["is_synchronised"] and fading["reach"] == 0o360
    gone = chrony(r1("chronyc_tracking.csv"), Answer(sources.replace(",377,", ",0,")))
    assert not gone["is_synchronised"] and "no longer answers" in gone["reason"]


def test_chrony_with_its_own_clock():
    tracking = "7F7F0101,,8,1795306997.17,0.000000001,0,0,0.081,0.0,0.3,0.0,0.0,8.1,Normal\n"
    status = chrony(Answer(tracking), Answer(""))
    assert status["is_synchronised"] and "local stratum" in status["reason"] and status["reference"] == "7F7F0101"


def test_ntpd_in_alarm_after_its_start():
    status = ntp_status(
        {
            "chrony_tracking": Answer("506 Cannot talk to daemon\n", "", 1),
            "ntpq_peers": capture("ntpd/ntpq_-pn.txt"),
            "ntpq_variables": capture("ntpd/ntpq_-crv.txt"),
        }
    )
    assert (status["source"], status["leap"], status["is_synchronised"]) == ("ntpd", "not_synchronised", False)
    best, dead, other = status["sources"]
    assert best["is_selected"] and best["offset_seconds"] == pytest.approx(0.0161e-3) and best["reach"] == 3
    assert (dead["reach"], dead["offset_seconds"], dead["last_answer_seconds"]) == (0, None, None)
    assert other["state"] == "+" and status["stratum"] == 9
    calm = capture("ntpd/ntpq_-crv.txt").stdout.replace("leap=11", "leap=00")
    assert ntp_status({"ntpq_peers": capture("ntpd/ntpq_-pn.txt"), "ntpq_variables": Answer(calm)})["is_synchronised"]


def test_ntpd_without_variables():
    status = ntp_status({"ntpq_peers": capture("ntpd/ntpq_-pn.txt")})
    assert status["is_synchronised"] and status["stratum"] == 9


def test_timesyncd():
    show = Answer("Timezone=Etc/UTC\nNTP=yes\nNTPSynchronized=yes\n")
    text = "       Server: 192.0.2.1 (ntp.example.net)\n      Leap: normal\n   Stratum: 2\n"
    text += "    Offset: -1.234ms\nPacket count: 9\n"
    status = ntp_status({"timedatectl": show, "timesync": Answer(text)})
    assert status["source"] == "timesyncd" and status["is_synchronised"] and status["stratum"] == 2
    assert status["offset_seconds"] == pytest.approx(-0.001234) and status["sources"][0]["address"] == "192.0.2.1"
    off = ntp_status({"timedatectl": Answer("NTP=no\nNTPSynchronized=no\n")})
    assert not off["is_synchronised"] and "switched off" in off["reason"]


def test_nobody_keeps_the_time():
    status = ntp_status(
        {
            "chrony_tracking": Answer("", "sh: chronyc: not found", 127),
            "ntpq_peers": Answer("ntpq: read: Connection refused\n"),
            "timedatectl": r1("timedatectl.txt", 1),
        }
    )
    assert status["source"] == "none" and not status["is_synchronised"] and status["offset_seconds"] is None
    assert (
        status["reason"]
        == "chronyc: not installed. ntpq: its daemon does not run. timedatectl: its daemon does not run."
    )
    assert ntp_status({})["reason"]


@pytest.mark.parametrize("tracking", ["", "a,b,c", "A,b,9,1,nan,0,0,0,0,0,0,0,0,Normal", "x" * 10000])
def test_a_malformed_answer_is_an_error(tracking):
    with pytest.raises(ProtocolError):
        ntp_status({"chrony_tracking": Answer(tracking)})
    with pytest.raises(ProtocolError):
        chrony(r1("chronyc_tracking.csv"), Answer("^,*,too few\n"))
    with pytest.raises(ProtocolError):
        ntp_status({"chrony_tracking": Answer("", "", None)})
