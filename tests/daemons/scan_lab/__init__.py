"""Fifty hosts with known answers in network namespaces of their own: what a scanner says is judged port by port."""

from tests.daemons.scan_lab.network import ScanLab, scan_lab
from tests.daemons.scan_lab.truth import NET4, NET6, WAN4, Host, truth

__all__ = ["NET4", "NET6", "WAN4", "Host", "ScanLab", "scan_lab", "truth"]
