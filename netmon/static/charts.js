"use strict";
// The charts of a device: data by one JSON call each, drawn by uPlot, with one cursor and one zoom for all.
(() => {
  const board = document.querySelector("[data-charts]");
  if (!board) return;
  const { el } = netmon;
  const PREFIXES = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
  const LOOKS = {
    traffic: { names: ["in", "out"], colours: ["--c-in", "--c-out"], mirrored: true },
    response: { names: ["rtt", "loss"], colours: ["--c-rtt", "--c-loss"], mirrored: false },
    host: { names: ["in", "out"], colours: ["--c-in", "--c-out"], isShare: true, title: "CPU and memory" },
    metric: { names: ["in"], colours: ["--c-in"], isSingle: true },
    disks: { names: ["in", "out"], colours: ["--c-in", "--c-out"], isShare: true, title: "Disks in use" },
  };
  const choice = { range: board.dataset.range, interface: board.dataset.interface };
  const loaded = new Map();
  let drawn = [];

  // --- numbers and colours
  function si(value, unit) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    const [factor, prefix] = PREFIXES.find(([f]) => size >= f * 0.9995) ?? [1, ""];
    const number = value / factor;
    const digits = Math.abs(number) >= 99.95 ? 0 : Math.abs(number) >= 9.995 ? 1 : 2;
    const text = number.toFixed(digits);
    return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text} ${prefix}${unit}`;
  }

  function shown(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "bit/s" || unit === "B") return si(Math.abs(value), unit);
    return `${Math.abs(value) >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ${unit}`;
  }

  // A custom property is not a colour yet: let an element resolve it.
  const probe = el("span", { hidden: true });
  document.body.append(probe);
  function colour(name, alpha = 1) {
    probe.style.color = `var(${name})`;
    const parts = getComputedStyle(probe).color.match(/[\d.]+/g);
    return `rgba(${parts.slice(0, 3).join(",")},${alpha})`;
  }

  function formatter(zone, options) {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    return (seconds) => format.format(new Date(seconds * 1000));
  }

  // --- plugins
  function hatch() {
    const tile = el("canvas", { width: 8, height: 8 });
    const pen = tile.getContext("2d");
    pen.strokeStyle = colour("--line-strong");
    pen.beginPath();
    for (const [x, y, to, down] of [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]]) { pen.moveTo(x, y); pen.lineTo(to, down); }
    pen.stroke();
    return tile;
  }

  /** Stretches of two or more points without a value; the last points may still be on their way. */
  function gaps(data) {
    const found = [];
    let begun = null;
    data.times.forEach((time, i) => {
      const empty = data.average.every((column) => column[i] === null);
      if (empty && begun === null) begun = time;
      if (!empty && begun !== null) {
        if (time - begun >= 2 * data.step) found.push([begun, time]);
        begun = null;
      }
    });
    const last = data.times.at(-1) + data.step;
    if (begun !== null && last - begun > 3 * data.step) found.push([begun, last]);
    return found;
  }

  function bands(data) {
    const empty = gaps(data);
    return { hooks: { drawClear: [(u) => {
      const { ctx, bbox } = u;
      const x = (time) => u.valToPos(time, "x", true);
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.fillStyle = ctx.createPattern(hatch(), "repeat");
      for (const [from, to] of empty) ctx.fillRect(x(from), bbox.top, x(to) - x(from), bbox.height);
      for (const { start, end } of data.maintenance ?? []) {
        const left = x(start);
        ctx.fillStyle = colour("--mnt-fill", 0.2);
        ctx.fillRect(left, bbox.top, Math.max(x(end ?? data.end) - left, 2 * devicePixelRatio), bbox.height);
      }
      for (const { start, end } of data.outages) {
        const left = x(start);
        const width = Math.max(x(end ?? data.end) - left, devicePixelRatio);
        // A short outage is a line, for it must be seen; a long one a band.
        ctx.fillStyle = colour("--down-fill", width > 4 * devicePixelRatio ? 0.16 : 0.75);
        ctx.fillRect(left, bbox.top, width, bbox.height);
        ctx.fillStyle = colour("--down-fill");
        ctx.fillRect(left - 4 * devicePixelRatio, bbox.top, Math.max(width, 8 * devicePixelRatio), 4 * devicePixelRatio);
      }
      ctx.restore();
    }] } };
  }

  /** Where alerts began: a flag on the upper edge and a line down. */
  function flags(u, data) {
    const { ctx, bbox } = u;
    const size = 7 * devicePixelRatio;
    ctx.save();
    ctx.fillStyle = colour("--down-fill");
    for (const { start } of data.alerts ?? []) {
      const left = u.valToPos(start, "x", true);
      if (left < bbox.left || left > bbox.left + bbox.width) continue;
      ctx.fillRect(left - devicePixelRatio / 2, bbox.top, devicePixelRatio, bbox.height);
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left + size, bbox.top + size / 2);
      ctx.lineTo(left, bbox.top + size);
      ctx.fill();
    }
    ctx.restore();
  }

  function limits(u, data) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const [value, name] of [[data.threshold, "--down-fill"], [data.clear, "--unk-fill"]]) {
      if (value === null || value === undefined) continue;
      const y = u.valToPos(value, "y", true);
      ctx.strokeStyle = colour(name);
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  function lines(data, mirrored) {
    return { hooks: { draw: [(u) => {
      flags(u, data);
      limits(u, data);
      if (!mirrored) return;
      const { ctx, bbox } = u;
      const across = (value) => {
        const y = u.valToPos(value, "y", true);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
      };
      ctx.save();
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.strokeStyle = colour("--c-p95");
      ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
      (data.totals ?? []).forEach(({ p95 }, n) => { if (p95 !== null) across(n ? -p95 : p95); });
      ctx.setLineDash([]);
      ctx.lineWidth = devicePixelRatio;
      ctx.strokeStyle = colour("--text-3");
      across(0);
      ctx.restore();
    }] } };
  }

  function tooltip(data, look) {
    const when = formatter(data.zone, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    const box = el("div", { className: "tip", hidden: true });
    const row = (name, label, value) => el("div", { className: "r" }, el("i", { className: `sw ${name}` }), label, el("em", {}, value));
    return { hooks: {
      init: [(u) => {
        u.over.append(box);
        u.over.addEventListener("mouseleave", () => { box.hidden = true; });
      }],
      setCursor: [(u) => {
        const { idx, left, top } = u.cursor;
        box.hidden = idx === null || idx === undefined || left < 0 || !u.over.matches(":hover");
        if (box.hidden) return;
        const known = data.average.some((column) => column[idx] !== null);
        const rows = data.columns.map((column, n) => {
          const value = shown(data.average[n][idx], column.unit);
          const top = data.maximum[n][idx];
          const peak = data.step > 60 && top !== null && top > data.average[n][idx] ? `, max ${shown(top, column.unit)}` : "";
          return row(look.names[n], column.label, value + peak);
        });
        box.replaceChildren(el("b", {}, `${when(data.times[idx])} ${data.zone}`), ...(known ? rows : [el("div", { className: "r" }, "no samples")]));
        const width = box.offsetWidth;
        box.style.left = `${left + width + 20 > u.over.clientWidth ? left - width - 12 : left + 14}px`;
        box.style.top = `${Math.max(0, Math.min(top - 20, u.over.clientHeight - box.offsetHeight))}px`;
      }],
    } };
  }

  // --- drawing
  function draw(place, data) {
    const look = LOOKS[data.chart];
    place.replaceChildren();
    if (!data.times.length || data.average.every((column) => column.every((value) => value === null))) {
      place.append(el("p", { className: "empty" }, "Nothing was measured in this time."));
      return;
    }
    const narrow = innerWidth <= 760;
    const days = data.end - data.start > 2 * 86400;
    const tick = formatter(data.zone, days ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" });
    const axis = (options) => ({ stroke: colour("--text-3"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: '12px "Inter Variable", system-ui', ...options });
    const [first, second] = look.colours;
    const fade = (name, up) => (u) => {
      const shade = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height);
      shade.addColorStop(0, colour(name, up ? 0.4 : 0.06));
      shade.addColorStop(1, colour(name, up ? 0.06 : 0.4));
      return shade;
    };
    const unit = data.columns[0].unit;
    // A unit that would not fit beside the axis stands above the chart, and in what the cursor says.
    const label = (v) => (unit.length > 5 ? si(v, "").trim() : shown(v, unit).replace("bit/s", narrow ? "" : "bit/s"));
    const labels = (u, splits) => splits.map((v) => (v ? label(v) : "0"));
    const line = (name) => ({ stroke: colour(name), width: 1.4, fill: colour(name, 0.08), points: { show: false } });
    const series = look.isSingle ? [{}, line(first)]
      : look.isShare ? [{}, ...data.average.map((_, n) => line(look.colours[n]))]
      : look.mirrored
      ? [{}, { stroke: colour(first), width: 1.4, fill: fade(first, true), points: { show: false } }, { stroke: colour(second), width: 1.4, fill: fade(second, false), points: { show: false } }]
      : [{}, { stroke: colour(first), width: 1.3, fill: colour(first, 0.1), points: { show: false } },
        { scale: "l", stroke: colour(second), fill: colour(second, 0.55), paths: uPlot.paths.bars({ size: [1, 4] }), points: { show: false } }];
    const columns = look.isShare || look.isSingle ? data.average : look.mirrored
      ? [data.average[0], data.average[1].map((v) => (v === null ? null : -v))]
      : [data.average[0], data.average[1].map((v) => (v ? v : null))];
    const chart = new uPlot({
      width: place.clientWidth,
      height: place.clientHeight,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), data.zone),
      cursor: { sync: { key: "netmon", scales: ["x", null] }, drag: { x: true, y: false }, points: { size: 7 } },
      plugins: [bands(data), lines(data, look.mirrored), tooltip(data, look)],
      scales: look.isSingle ? { x: { time: true }, y: { range: (u, low, high) => within(low, high, data) } }
        : look.isShare ? { x: { time: true }, y: { range: [0, 100] } } : look.mirrored
        ? { x: { time: true }, y: { range: (u, low, high) => around(low, high, data) } }
        : { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(1, high * 1.1)] }, l: { range: [0, 100] } },
      axes: [
        axis({ values: (u, splits) => splits.map(tick), size: 30, gap: 6, space: narrow ? 64 : 80 }),
        axis({ values: labels, size: narrow ? 54 : 76, space: 34 }),
      ],
      series,
    }, [data.times, ...columns], place);
    drawn.push(chart);
    place.setAttribute("aria-label", describe(data));
  }

  /** Room for both directions and for the 95th percentiles. */
  function around(low, high, data) {
    const marks = (data.totals ?? []).map((total, n) => (n ? -total.p95 : total.p95) || 0);
    const top = Math.max(high ?? 0, marks[0] ?? 0, 1000);
    const bottom = Math.min(low ?? 0, marks[1] ?? 0, -1000);
    return [Math.min(bottom, -top * 0.18) * 1.12, Math.max(top, -bottom * 0.18) * 1.08];
  }

  /** Room for the values and for the limit. */
  function within(low, high, data) {
    const marks = [low, high, data.threshold, data.clear].filter((mark) => mark !== null && mark !== undefined);
    const top = Math.max(...marks, 0);
    const bottom = Math.min(...marks, 0);
    return top === bottom ? [0, 1] : [bottom * 1.1, top * 1.1];
  }

  function describe(data) {
    const parts = data.columns.map(({ label, unit }, n) => {
      const { average, maximum } = data.totals[n];
      return `${label}: average ${shown(average, unit)}, maximum ${shown(maximum, unit)}`;
    });
    const title = LOOKS[data.chart].title ?? (data.chart === "metric" ? data.title : null) ?? (data.chart === "traffic" ? `Traffic of ${data.title}` : "Response time and loss");
    return `${title} over ${data.range_label}. ${parts.join(". ")}. ${data.outages.length} outages.`;
  }

  function totals(data) {
    const body = board.querySelector(`[data-totals="${data.chart}"]`);
    if (!body) return;
    const cell = (text, css = "num") => el("td", { className: css }, text);
    body.replaceChildren(...(data.totals ?? []).map((total, n) => el("tr", {},
      el("th", { scope: "row", className: "nowrap" }, el("i", { className: `sw ${LOOKS[data.chart].names[n]}` }), ` ${data.columns[n].label}`),
      cell(shown(total.now, "bit/s")), cell(shown(total.average, "bit/s"), "num hide-sm"), cell(shown(total.maximum, "bit/s")),
      el("td", { className: "num" }, el("b", {}, shown(total.p95, "bit/s"))), cell(shown(total.total, "B"), "num hide-sm"))));
  }

  /** The same numbers as a table: built when somebody opens it, with at most 200 rows. */
  function twin(data) {
    const details = board.querySelector(`[data-twin="${data.chart}"]`);
    if (!details || !details.open) return;
    const when = formatter(data.zone, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    const every = Math.max(1, Math.ceil(data.times.length / 200));
    const rows = [];
    for (let i = data.times.length - 1; i >= 0; i -= every) {
      rows.push(el("tr", {}, el("th", { scope: "row" }, when(data.times[i])),
        ...data.columns.map(({ unit }, n) => el("td", { className: "num" }, data.average[n][i] === null ? "no sample" : shown(data.average[n][i], unit)))));
    }
    const head = el("tr", {}, el("th", { scope: "col" }, `Time (${data.zone})`), ...data.columns.map(({ label }) => el("th", { scope: "col", className: "num" }, label)));
    const link = data.csv ? el("p", { className: "note" }, el("a", { href: data.csv }, "All values as CSV")) : null;
    const place = details.querySelector(".scroll");
    place.replaceChildren(el("table", { className: "tbl" }, el("thead", {}, head), el("tbody", {}, ...rows)));
    details.querySelector(".note")?.remove();
    if (link) details.append(link);
  }

  function drawAll() {
    drawn.forEach((chart) => chart.destroy());
    drawn = [];
    for (const place of board.querySelectorAll("[data-chart]")) {
      const data = loaded.get(place.dataset.chart);
      if (data) draw(place, data);
    }
  }

  // --- loading
  let asked = 0;
  async function load() {
    const turn = ++asked;
    const places = [...board.querySelectorAll("[data-chart]")];
    places.forEach((place) => place.classList.add("busy"));
    await Promise.all(places.map(async (place) => {
      const query = new URLSearchParams({ chart: place.dataset.chart, range: choice.range });
      if (place.dataset.chart === "traffic" && choice.interface) query.set("interface", choice.interface);
      try {
        const answer = await netmon.send("GET", `${board.dataset.url}?${query}`);
        if (turn === asked && answer.ok && answer.body) loaded.set(place.dataset.chart, answer.body);
      } catch { /* the old picture stays; the clock in the head says how old it is */ }
    }));
    if (turn !== asked) return;
    places.forEach((place) => place.classList.remove("busy"));
    drawAll();
    for (const data of loaded.values()) { totals(data); twin(data); }
    board.dataset.drawn = `${choice.range} ${choice.interface}`;
  }

  function address() {
    const url = new URL(location.href);
    url.searchParams.set("range", choice.range);
    if (choice.interface) url.searchParams.set("interface", choice.interface);
    return url;
  }

  function mark() {
    for (const link of board.querySelectorAll("[data-range]")) {
      if (link.dataset.range === choice.range) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const pick = board.querySelector("[data-pick]");
    if (pick && choice.interface) pick.value = choice.interface;
  }

  board.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-range]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      choice.range = link.dataset.range;
      history.pushState(null, "", address());
      mark();
      load();
    }
    if (event.target.closest("[data-zoom-out]")) {
      for (const chart of drawn) chart.setScale("x", { min: chart.data[0][0], max: chart.data[0].at(-1) });
    }
  });
  board.querySelector("[data-pick]")?.addEventListener("change", (event) => {
    choice.interface = event.target.value;
    // The figures of the head belong to the interface too: the page comes anew.
    location.href = address();
  });
  for (const details of board.querySelectorAll("[data-twin]")) {
    details.addEventListener("toggle", () => { const data = loaded.get(details.dataset.twin); if (data) twin(data); });
  }
  addEventListener("popstate", () => {
    const query = new URLSearchParams(location.search);
    choice.range = query.get("range") ?? board.dataset.range;
    mark();
    load();
  });
  document.addEventListener("netmon:theme", drawAll);
  let width = innerWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawAll, 120);
  });
  // A minute's sample is what changes: every fourth tick of the page.
  let ticks = 0;
  document.body.addEventListener("live", () => { if (++ticks % 4 === 0) load(); });
  load();
})();
