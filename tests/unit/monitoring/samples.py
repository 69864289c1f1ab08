"""Series, samples and the arithmetic to check them by, the slow and obvious way."""

import numpy as np

from inventory.models import Device
from monitoring.models import Series
from monitoring.store.read import Frame
from monitoring.store.write import SampleWrite

HOUR, DAY = 3600, 86400
T0 = 1_789_948_800  # 2026-09-21 00:00:00 UTC


def make_series(metric_set: str = "icmp", *, period: int = 60, device: str = "r1", labels: str = "") -> Series:
    owner, _ = Device.objects.get_or_create(name=device)
    return Series.objects.create(device=owner, metric_set=metric_set, period_seconds=period, labels=labels)


def draw(series: Series, start: int, end: int, *, period: int = 60, seed: int = 1) -> list[SampleWrite]:
    """Samples of the set `icmp` with gaps of two kinds: slots that are missing and values that are NaN."""
    rng = np.random.default_rng(seed)
    rows = []
    for slot in range(start, end, period):
        if rng.random() < 0.1:
            continue
        up = float(rng.random() < 0.8)
        rtt = round(float(rng.lognormal(2, 1)), 3) if up else float("nan")
        rows.append(SampleWrite(series.pk, slot, [rtt, float(rng.integers(0, 1001)) / 10, up]))
    return rows


def expect(samples: list[SampleWrite], frame: Frame, *, columns: int = 3) -> None:
    """Asserts that the frame says of each of its points what the samples say."""
    by_slot = {row.slot: row.values for row in samples}
    buckets: dict[int, list] = {}
    for slot, values in by_slot.items():
        buckets.setdefault(slot // frame.step * frame.step, []).append(values)
    assert frame.times.tolist() == list(range(int(frame.times[0]), int(frame.times[-1]) + 1, frame.step))
    for position, time in enumerate(frame.times.tolist()):
        for column in range(columns):
            values = [v[column] for v in buckets.get(time, []) if v[column] is not None and v[column] == v[column]]
            point = [array[position, column] for array in (frame.average, frame.minimum, frame.maximum, frame.count)]
            if values:
                wanted = [sum(values) / len(values), min(values), max(values), len(values)]
                assert np.allclose(point, wanted, rtol=1e-9, atol=1e-9), (time, column, point, wanted)
            else:
                assert np.isnan(point[:3]).all() and point[3] == 0, (time, column, point)
