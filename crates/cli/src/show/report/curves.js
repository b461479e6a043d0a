// The curves of a run over the same time as the timeline, one line for each run; and what starts everything.
'use strict';

// What is drawn: where the values lie, in which unit, and what goes with them.
const CURVES = [
  { title: 'In flight, saves', key: 'in_flight', limit: true, marks: true },
  { title: 'In flight, fetches', key: 'fetching', limit: true },
  { title: 'Saved a second', key: 'goodput' },
  { title: 'Latency of a save in ms: half take less, and 99 of 100 (dashed)', key: 'p50_ms', second: 'p99_ms' },
  { title: 'Cores that compute', key: 'computing' },
  { title: 'Results that wait to be saved', key: 'ready' },
  { title: 'Failed attempts a second', key: 'failed', ifAny: true },
  { title: 'Longest time in which no I/O was served, in ms', key: 'stall_ms' },
];
const CHART = 130;

function compact(value) {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

class Chart {
  constructor(runs, curve, canvas) {
    Object.assign(this, { runs, curve, canvas });
    view.watchers.push(() => this.draw());
    canvas.addEventListener('pointermove', (event) => this.hover(event));
    canvas.addEventListener('pointerleave', () => tip.hide());
  }

  // The values that are seen, at most; and the limit if it is not far above them.
  highest() {
    let most = 0;
    for (const { curves } of this.runs) {
      const values = curves[this.curve.second ?? this.curve.key];
      const from = Math.floor(view.from / curves.tick_s), to = Math.ceil(view.to / curves.tick_s);
      for (let tick = Math.max(0, from); tick < Math.min(to, values.length); tick++) most = Math.max(most, values[tick] ?? 0);
    }
    if (this.curve.limit) {
      for (const { limit } of this.runs) if (limit < 3 * most) most = Math.max(most, limit);
    }
    return most > 0 ? most * 1.1 : 1;
  }

  draw() {
    const ratio = fitted(this.canvas, CHART);
    const { width, height } = this.canvas;
    const context = this.canvas.getContext('2d');
    const top = AXIS * ratio, most = this.highest();
    const x = (time) => (time - view.from) / (view.to - view.from) * width;
    const y = (value) => height - 2 * ratio - value / most * (height - top - 2 * ratio);
    context.clearRect(0, 0, width, height);
    axis(context, width, height, ratio);
    this.rules(context, y, most, (value) => context.fillRect(0, y(value), width, Math.max(1, ratio / 2)), '--line');
    this.runs.forEach((run, number) => {
      context.strokeStyle = context.fillStyle = colour(`--run${number % 6}`);
      context.lineWidth = 1.5 * ratio;
      this.line(context, run.curves[this.curve.key], run.curves.tick_s, x, y);
      if (this.curve.second) {
        context.setLineDash([4 * ratio, 3 * ratio]);
        this.line(context, run.curves[this.curve.second], run.curves.tick_s, x, y);
      }
      if (this.curve.limit) this.limit(context, run, x, y, ratio);
      context.setLineDash([]);
      if (this.curve.marks) this.marks(context, run, x, height, ratio);
    });
    context.textBaseline = 'bottom';
    this.rules(context, y, most, (value) => context.fillText(compact(value), 3 * ratio, y(value)), '--fg');
  }

  rules(context, y, most, draw, name) {
    const size = step(most, 3);
    context.fillStyle = colour(name);
    for (let value = size; value < most; value += size) draw(value);
  }

  // Level during a tick, broken where there is no value.
  line(context, values, tick, x, y) {
    context.beginPath();
    let drawn = false;
    const from = Math.max(0, Math.floor(view.from / tick)), to = Math.min(values.length, Math.ceil(view.to / tick));
    for (let place = from; place < to; place++) {
      if (values[place] === null) { drawn = false; continue; }
      const height = y(values[place]);
      if (drawn) context.lineTo(x(place * tick), height);
      else context.moveTo(x(place * tick), height);
      context.lineTo(x((place + 1) * tick), height);
      drawn = true;
    }
    context.stroke();
  }

  // The limit, dotted: as it was set, or as it was found from one decision to the next.
  limit(context, run, x, y, ratio) {
    const found = run.marks.filter((mark) => mark.limit !== null);
    const steps = found.map((mark) => [mark.at_s, mark.limit]);
    if (!steps.length || !this.curve.marks) steps.splice(0, steps.length, [0, run.limit]);
    context.setLineDash([2 * ratio, 4 * ratio]);
    context.beginPath();
    steps.forEach(([at, limit], number) => {
      const until = steps[number + 1]?.[0] ?? run.elapsed_s;
      if (number) context.lineTo(x(at), y(limit));
      else context.moveTo(x(at), y(limit));
      context.lineTo(x(until), y(limit));
    });
    context.stroke();
  }

  // Decisions and outages, at their time.
  marks(context, run, x, height, ratio) {
    context.fillStyle = colour('--mark');
    for (const mark of run.marks) {
      const at = x(mark.at_s);
      context.fillRect(at, 0, ratio, height);
      context.beginPath();
      context.moveTo(at - 4 * ratio, 0);
      context.lineTo(at + 4 * ratio, 0);
      context.lineTo(at, 7 * ratio);
      context.fill();
    }
  }

  hover(event) {
    const box = this.canvas.getBoundingClientRect();
    const time = view.from + (event.clientX - box.left) / box.width * (view.to - view.from);
    const lines = [`${seconds(time, 0.001)}`];
    const near = (view.to - view.from) / box.width * 5;
    for (const { label, curves, marks } of this.runs) {
      const tick = Math.floor(time / curves.tick_s);
      const value = curves[this.curve.key][tick];
      if (value === undefined) continue;
      const second = this.curve.second ? curves[this.curve.second][tick] : null;
      const more = second == null ? '' : ` and ${compact(second)}`;
      lines.push(`${label}: ${value === null ? 'nothing' : compact(value)}${more}`);
      if (this.curve.marks) {
        for (const mark of marks) if (Math.abs(mark.at_s - time) < near) lines.push(mark.text);
      }
    }
    tip.show(lines.join('\n'), event.clientX, event.clientY);
  }
}

function element(name, parent, text = '') {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function charts(runs) {
  const place = document.getElementById('charts');
  for (const curve of CURVES) {
    const drawn = runs.filter(({ curves }) => curves[curve.key].length);
    const isEmpty = !drawn.some(({ curves }) => curves[curve.key].some((value) => value > 0));
    if (!drawn.length || (curve.ifAny && isEmpty)) continue;
    const figure = element('figure', place);
    element('figcaption', figure, curve.title);
    new Chart(drawn, curve, element('canvas', figure));
  }
}

async function timelines(runs) {
  const place = document.getElementById('timelines');
  // One run gets half a screen, several share it.
  const height = Math.max(120, Math.min(520, Math.round(720 / runs.length)));
  for (const run of runs) {
    const rows = unpack(await inflated(run.spans));
    delete run.spans;
    const figure = element('figure', place);
    const caption = element('figcaption', figure);
    const canvas = element('canvas', figure);
    canvas.className = 'rows';
    canvas.setAttribute('aria-label', `Timeline of ${run.label}`);
    panels.push(new Panel(run, rows, canvas, height, caption));
  }
}

async function start() {
  const runs = JSON.parse(document.getElementById('data').textContent);
  view.whole = Math.max(1e-6, ...runs.map((run) => run.elapsed_s));
  charts(runs);
  await timelines(runs);
  const press = (name, action) => document.getElementById(name).addEventListener('click', action);
  press('closer', () => closer(0.5));
  press('further', () => closer(2));
  press('whole', whole);
  whole();
  new ResizeObserver(() => view.redraw()).observe(document.body);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => view.redraw());
  for (const name of ['beforeprint', 'afterprint']) {
    addEventListener(name, () => { for (const draw of view.watchers) draw(); });
  }
  window.inflight = { panels, view };
}

start().catch((error) => {
  document.getElementById('timelines').textContent = `The timeline cannot be drawn: ${error.message}`;
  throw error;
});
