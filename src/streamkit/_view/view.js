// The cursor and the zoom of a page made by `streamkit view`. Without it all is there to read.
//
// In: the element #data (what arrived in each block), the rows of #plot. Positions are shares of the axis, 0 to 1;
// `view` is the part of it that is shown. What is stretched by a zoom has a viewBox (class z); what is not has data-x, data-w.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const plot = document.getElementById("plot");
  const readout = document.getElementById("readout");
  const axis = document.getElementById("axis");
  const SVG = "http://www.w3.org/2000/svg";
  const MOST = 200; // times that a drawing can be zoomed

  const sums = (steps) => { let at = 0; return steps.map((step) => (at += step)); };
  for (const trace of data.traces) {
    trace.at = sums(trace.at).map((at) => at / trace.scale);
    trace.events = sums(trace.events);
    for (const lane of trace.lanes) {
      lane.blocks = sums(lane.blocks);
      lane.stops = [...new Set(lane.blocks)];
    }
  }
  const rows = [...plot.querySelectorAll(".row[tabindex]")];
  const stretched = [...plot.querySelectorAll("svg.z")].map((svg) => [svg, svg.viewBox.baseVal.height]);
  const placed = [...plot.querySelectorAll("[data-x]")].filter((one) => !axis.contains(one));
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.hidden = true;
  plot.append(cursor);

  let view = { start: 0, width: 1 };
  let at = null; // the cursor: { trace, block }

  const percent = (share) => `${((share - view.start) / view.width) * 100}%`;
  const number = (value) => value.toLocaleString("en");
  const counted = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

  // The same words as in axis.py.
  function seconds(value) {
    if (value === 0) return "0 s";
    const digits = (one) => String(Number(one.toPrecision(view.width < 0.2 ? 5 : 3)));
    if (value < 0.0009995) return `${digits(value * 1e6)} µs`;
    if (value < 0.9995) return `${digits(value * 1e3)} ms`;
    return value < 100 ? `${digits(value)} s` : `${number(Math.round(value))} s`;
  }
  const label = (position) => (data.timed ? seconds(position) : `event ${number(Math.round(position))}`);

  function drawAxis() {
    const span = data.end * view.width;
    const room = axis.getBoundingClientRect().width < 480 ? 4 : 7;
    let step = 10 ** Math.floor(Math.log10(span / room));
    step *= [1, 2, 5, 10].find((factor) => span / (step * factor) <= room + 0.01) || 10;
    if (!data.timed) step = Math.max(step, 1);
    const first = Math.max(Math.ceil((data.end * view.start) / step - 1e-9), 0); // never -0
    const last = Math.floor((data.end * (view.start + view.width)) / step + 1e-9);
    const ticks = [];
    for (let count = first; count <= last; count += 1) {
      const share = (count * step) / data.end;
      const inside = (share - view.start) / view.width;
      const text = document.createElementNS(SVG, "text");
      text.setAttribute("x", percent(share));
      text.setAttribute("y", "13");
      text.setAttribute("text-anchor", inside < 0.04 ? "start" : inside > 0.96 ? "end" : "middle");
      text.textContent = data.timed ? seconds(count * step) : number(Math.round(count * step));
      ticks.push(text);
    }
    axis.replaceChildren(...ticks);
  }

  function draw() {
    for (const [svg, height] of stretched) {
      svg.setAttribute("viewBox", `${view.start * data.columns} 0 ${view.width * data.columns} ${height}`);
    }
    for (const one of placed) {
      one.setAttribute("x", percent(Number(one.dataset.x)));
      if (one.dataset.w !== undefined) one.setAttribute("width", `${(Number(one.dataset.w) / view.width) * 100}%`);
    }
    drawAxis();
    drawCursor();
  }

  function track() {
    const box = axis.getBoundingClientRect();
    return { left: box.left - plot.getBoundingClientRect().left, width: box.width };
  }

  function drawCursor() {
    if (at === null) return;
    const inside = (data.traces[at.trace].at[at.block] / data.end - view.start) / view.width;
    cursor.hidden = inside < -0.001 || inside > 1.001;
    const { left, width } = track();
    cursor.style.left = `${left + inside * width}px`;
  }

  // --- words

  function arrived(trace, block) {
    const found = [];
    trace.lanes.forEach((lane, index) => {
      const first = lower(lane.blocks, block);
      let text = "";
      for (let piece = first; piece < lane.blocks.length && lane.blocks[piece] === block; piece += 1) {
        text += lane.text.length ? lane.text[piece] : ""; // a large page has the blocks alone
      }
      if (lane.blocks[first] === block) found.push({ index, text });
    });
    return found;
  }

  // The index of the first value that is not below `wanted`.
  function lower(values, wanted) {
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < wanted) low = middle + 1; else high = middle;
    }
    return low;
  }

  function nearest(values, wanted) {
    const after = lower(values, wanted);
    if (after === values.length) return values.length - 1;
    return after > 0 && wanted - values[after - 1] <= values[after] - wanted ? after - 1 : after;
  }

  function say() {
    const parts = [];
    const position = data.traces[at.trace].at[at.block];
    parts.push(label(position));
    data.traces.forEach((trace, index) => {
      if (!trace.at.length) return;
      // The other trace: the last block that had arrived by then.
      const block = index === at.trace ? at.block : lower(trace.at, position + 1e-9) - 1;
      const mark = data.traces.length > 1 ? `${"AB"[index]}: ` : "";
      if (block < 0) {
        parts.push(`\n${mark}nothing yet`);
        return;
      }
      const before = block ? trace.events[block - 1] : 0;
      const events = trace.events[block] - before;
      const many = trace.every > 1 ? `blocks ${number(block * trace.every + 1)} and on` : `block ${number(block + 1)} of ${number(trace.at.length)}`;
      parts.push(`${data.traces.length > 1 ? "\n" : " · "}${mark}${data.timed ? many : ""}${data.timed ? ", " : ""}${counted(trace.bytes[block], "byte")}`);
      if (data.timed) parts.push(events === 0 ? ", no event ended" : events === 1 ? `, event ${number(before + 1)}` : `, events ${number(before + 1)} to ${number(before + events)}`);
      for (const one of arrived(trace, block).slice(0, 12)) {
        const row = rows.find((row) => Number(row.dataset.trace) === index && Number(row.dataset.lane) === one.index);
        parts.push(` · ${row ? row.querySelector("b").textContent : "lane"} `);
        if (one.text) {
          const text = document.createElement("bdi");
          text.textContent = one.text;
          parts.push(text);
        } else parts.push("output");
      }
    });
    const shown = parts.flatMap((part) => (typeof part === "string" && part.startsWith("\n") ? [document.createElement("br"), part.slice(1)] : [part]));
    readout.replaceChildren(...shown);
  }

  // --- moving

  function go(trace, block) {
    const times = data.traces[trace].at;
    if (!times.length) return;
    at = { trace, block: Math.min(Math.max(block, 0), times.length - 1) };
    const share = times[at.block] / data.end;
    if (share < view.start || share > view.start + view.width) {
      view.start = Math.min(Math.max(share - view.width / 2, 0), 1 - view.width);
      draw();
    }
    drawCursor();
    say();
  }

  function zoom(factor) {
    const middle = at === null ? view.start + view.width / 2 : data.traces[at.trace].at[at.block] / data.end;
    const width = Math.min(Math.max(view.width / factor, 1 / MOST), 1);
    view = { start: Math.min(Math.max(middle - width / 2, 0), 1 - width), width };
    draw();
  }

  function step(row, count) {
    const trace = row ? Number(row.dataset.trace) : at === null ? 0 : at.trace;
    const lane = row ? Number(row.dataset.lane) : -1;
    const found = data.traces[trace];
    const stops = lane >= 0 && found.lanes.length ? found.lanes[lane].stops : null; // a large page has no pieces
    const length = stops ? stops.length : found.at.length;
    if (!length) return;
    let now = count > 0 ? -1 : length;
    if (at !== null && at.trace === trace) {
      now = stops ? lower(stops, at.block) : at.block;
      const between = stops && stops[now] !== at.block; // the cursor is between two stops of this lane
      if (between && Number.isFinite(count) && (count < 0 ? now === 0 : now === length)) return; // none on that side
      if (between && count > 0) now -= 1;
    }
    const next = Math.min(Math.max(now + count, 0), length - 1);
    go(trace, stops ? stops[next] : next);
  }

  // One stop for Tab, however many lanes there are: the lane that had the focus last.
  const tabbed = (row) => rows.forEach((one) => (one.tabIndex = one === row ? 0 : -1));
  plot.addEventListener("focusin", (event) => {
    const row = event.target.closest(".row[tabindex]");
    if (row !== null) tabbed(row);
  });

  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = event.target.closest(".row[tabindex]");
    if (row === null) return;
    const index = rows.indexOf(row);
    const far = event.shiftKey ? 10 : 1;
    const keys = {
      ArrowRight: () => step(row, far),
      ArrowLeft: () => step(row, -far),
      Home: () => step(row, -Infinity),
      End: () => step(row, Infinity),
      ArrowDown: () => rows[Math.min(index + 1, rows.length - 1)].focus(),
      ArrowUp: () => rows[Math.max(index - 1, 0)].focus(),
      "+": () => zoom(2),
      "=": () => zoom(2),
      "-": () => zoom(0.5),
      0: () => zoom(1 / MOST),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  function point(event) {
    const { left, width } = track();
    const x = event.clientX - plot.getBoundingClientRect().left - left;
    if (x < -8 || x > width + 8) return;
    const row = event.target.closest(".row[data-trace]");
    const trace = row ? Number(row.dataset.trace) : 0;
    const times = data.traces[trace].at;
    if (times.length) go(trace, nearest(times, (view.start + (x / width) * view.width) * data.end));
  }
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const box = link && document.getElementById(link.getAttribute("href").slice(1));
    if (box && box.dataset.block) go(Number(box.dataset.trace), Math.floor(Number(box.dataset.block) / data.traces[Number(box.dataset.trace)].every));
  });

  for (const [id, act] of [
    ["zoom-in", () => zoom(2)],
    ["zoom-out", () => zoom(0.5)],
    ["zoom-all", () => zoom(1 / MOST)],
    ["earlier", () => step(null, -1)],
    ["later", () => step(null, 1)],
  ]) document.getElementById(id).addEventListener("click", act);

  tabbed(rows[0]);
  document.getElementById("tools").hidden = false;
  new ResizeObserver(draw).observe(axis);
})();
