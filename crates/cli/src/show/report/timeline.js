// The timeline: one row for each item, drawn on a canvas. Reads the packed columns that the program wrote into the page.
'use strict';

// The kinds of spans, by the numbers they have in the columns, and the colours of the style sheet they are drawn in.
const KINDS = [
  ['fetch', '--fetch'], ['compute', '--compute'], ['save', '--save'],
  ['fetch failed', '--fault'], ['save failed', '--fault'],
  ['fetch refused', '--refused'], ['save refused', '--refused'], ['dead letter', '--dead'],
];
// From this kind on something went wrong; the last is the end of an item.
const FAULTS = 3, DEAD = 7;
// A row of fewer pixels than this is a line without gaps, painted pixel by pixel.
const ROOMY = 4;
// The space above the rows for the times, in pixels.
const AXIS = 18;

async function inflated(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Numbers of seven bits a byte, from here on. Beyond 32 bits too, so no shifts.
class Reader {
  constructor(bytes) { this.bytes = bytes; this.place = 0; }
  number() {
    let value = 0, factor = 1;
    for (;;) {
      const byte = this.bytes[this.place++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }
  signed() {
    const value = this.number();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }
  column() {
    const length = this.number();
    const column = new Reader(this.bytes.subarray(this.place, this.place + length));
    this.place += length;
    return column;
  }
}

// Items as rows, their spans as columns; times in seconds.
function unpack(bytes) {
  const all = new Reader(bytes);
  const [indexes, counts, kinds, starts, lengths] = Array.from({ length: 5 }, () => all.column());
  const spans = kinds.bytes.length;
  const rows = { index: [], from: [], kind: kinds.bytes, at: new Float64Array(spans), end: new Float64Array(spans) };
  let index = 0, rowStart = 0, span = 0;
  while (indexes.place < indexes.bytes.length) {
    index += indexes.number();
    rows.index.push(index);
    rows.from.push(span);
    let before = rowStart;
    for (let count = counts.number(), first = true; count > 0; count--, first = false, span++) {
      const at = before + starts.signed();
      if (first) rowStart = at;
      before = at + lengths.number();
      rows.at[span] = at / 1e6;
      rows.end[span] = before / 1e6;
    }
  }
  rows.from.push(span);
  rows.count = rows.index.length;
  return rows;
}

// Rows that are drawn however far one has zoomed out: those with a fault, and those that took three times as long as most.
function standingOut(rows) {
  const took = new Float64Array(rows.count);
  for (let row = 0; row < rows.count; row++) {
    took[row] = rows.end[rows.from[row + 1] - 1] - rows.at[rows.from[row]];
  }
  const typical = took.slice().sort()[rows.count >> 1] || 0;
  const found = [];
  for (let row = 0; row < rows.count; row++) {
    let stands = took[row] > 3 * typical;
    for (let span = rows.from[row]; span < rows.from[row + 1]; span++) stands ||= rows.kind[span] >= FAULTS;
    if (stands) found.push(row);
  }
  return found;
}

// A text that turns nothing around it, with what cannot be seen made visible.
function shown(text) {
  const hidden = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  const code = (letter) => `‹${letter.charCodeAt(0).toString(16).padStart(4, '0')}›`;
  return `\u2068${text.replace(hidden, code)}\u2069`;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A colour as the four bytes of a pixel.
function pixel(css) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
}

// Steps of 1, 2 or 5 that leave room between marks.
function step(span, marks) {
  const rough = span / Math.max(marks, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
}

function seconds(time, precision) {
  const digits = Math.max(0, Math.ceil(-Math.log10(precision)));
  return `${time.toFixed(digits)} s`;
}

function lasted(time) {
  if (time < 0.001) return `${(time * 1e6).toFixed(0)} µs`;
  if (time < 0.01) return `${(time * 1e3).toFixed(2)} ms`;
  return time < 1 ? `${(time * 1e3).toFixed(0)} ms` : `${time.toFixed(2)} s`;
}

// The part of the time that is seen, by all panels and curves.
const view = {
  from: 0, to: 1, whole: 1, watchers: [],
  set(from, to) {
    const span = Math.min(Math.max(to - from, 1e-6), this.whole);
    this.from = Math.min(Math.max(from, 0), this.whole - span);
    this.to = this.from + span;
    this.redraw();
  },
  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      for (const draw of this.watchers) draw();
    });
  },
};

// A canvas as large as it is seen, in device pixels.
function fitted(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const tall = Math.round(height * ratio);
  if (canvas.width !== width || canvas.height !== tall) [canvas.width, canvas.height] = [width, tall];
  canvas.style.height = `${height}px`;
  return ratio;
}

// The times along the top, and a faint line down from each.
function axis(context, width, height, ratio) {
  const size = step(view.to - view.from, width / (90 * ratio));
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'top';
  for (let time = Math.ceil(view.from / size) * size; time <= view.to; time += size) {
    const x = Math.round((time - view.from) / (view.to - view.from) * width);
    context.fillStyle = colour('--line');
    context.fillRect(x, 0, Math.max(1, ratio / 2), height);
    context.fillStyle = colour('--soft');
    context.fillText(seconds(time, size), x + 3 * ratio, 2 * ratio);
  }
}

const tip = {
  show(text, x, y) {
    const box = document.getElementById('tip');
    box.textContent = text;
    box.hidden = false;
    const wide = box.offsetWidth, tall = box.offsetHeight;
    box.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - wide - 4))}px`;
    box.style.top = `${y + 14 + tall < innerHeight ? y + 14 : Math.max(4, y - tall - 10)}px`;
  },
  hide() { document.getElementById('tip').hidden = true; },
};

// The rows of one run.
class Panel {
  constructor(run, rows, canvas, height, caption) {
    Object.assign(this, { run, rows, canvas, height, caption });
    this.texts = new Map(run.texts);
    this.out = standingOut(rows);
    this.first = 0;
    this.last = rows.count;
    this.drawMs = 0;
    view.watchers.push(() => this.draw());
    this.listen();
  }

  // Which rows are seen: at least three, at most all.
  rowsSeen(first, last) {
    const count = Math.min(Math.max(last - first, Math.min(3, this.rows.count)), this.rows.count);
    this.first = Math.min(Math.max(first, 0), this.rows.count - count);
    this.last = this.first + count;
  }

  // Shows the rows that have something in the part of the time that is seen, but for a few stragglers.
  fitRows() {
    if (view.to - view.from > 0.999 * view.whole) return this.rowsSeen(0, this.rows.count);
    const { from, at, end, count } = this.rows;
    const active = [];
    for (let row = 0; row < count; row++) {
      if (at[from[row]] < view.to && end[from[row + 1] - 1] > view.from) active.push(row);
    }
    if (!active.length) return;
    const few = Math.floor(active.length / 50);
    this.rowsSeen(active[few], active[active.length - 1 - few] + 1);
  }

  place(time) { return (time - view.from) / (view.to - view.from) * this.canvas.width; }

  draw() {
    const began = performance.now();
    const ratio = fitted(this.canvas, this.height);
    const { width, height } = this.canvas;
    // Pixels are written by us, so they had better lie where we can reach them.
    const context = this.canvas.getContext('2d', { willReadFrequently: true });
    this.top = AXIS * ratio;
    this.rowHeight = (height - this.top) / Math.max(this.last - this.first, 1e-9);
    context.clearRect(0, 0, width, height);
    axis(context, width, height, ratio);
    if (this.rowHeight < ROOMY * ratio) this.drawPixels(context, width, height);
    else this.drawBars(context, ratio);
    this.edges(context, height, ratio);
    const lines = Math.max(1, Math.floor(1 / this.rowHeight));
    const each = lines > 1 ? `; a line of pixels stands for ${lines} of them: the first, and all that stand out` : '';
    const seen = `items ${this.rows.index[Math.floor(this.first)] ?? 0} to ${this.rows.index[Math.ceil(this.last) - 1] ?? 0}`;
    this.caption.textContent = `${this.run.label}: ${seen}${each}`;
    this.drawMs = performance.now() - began;
  }

  // Many rows: each span is written into the pixels it covers.
  drawPixels(context, width, height) {
    const top = Math.round(this.top);
    const image = context.getImageData(0, top, width, height - top);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = KINDS.map(([, name]) => pixel(colour(name)));
    const wait = pixel(colour('--wait'));
    const tall = height - top, scale = width / (view.to - view.from);
    const { from, kind, at, end, count } = this.rows;
    const paint = (x0, x1, y0, y1, value) => {
      x0 = Math.max(0, Math.floor(x0));
      x1 = Math.min(width, Math.max(x0 + 1, Math.round(x1)));
      for (let y = y0; y < y1; y++) pixels.fill(value, y * width + x0, y * width + x1);
    };
    const row = (number) => {
      const y0 = Math.floor((number - this.first) * this.rowHeight);
      const y1 = Math.min(tall, Math.max(y0 + 1, Math.floor((number + 1 - this.first) * this.rowHeight)));
      if (y0 < 0 || y0 >= tall) return;
      let before = NaN;
      for (let span = from[number]; span < from[number + 1]; span++) {
        if (at[span] > before && before < view.to && at[span] > view.from) {
          paint((before - view.from) * scale, (at[span] - view.from) * scale, y0, y1, wait);
        }
        before = end[span];
        if (at[span] > view.to || end[span] < view.from) continue;
        paint((at[span] - view.from) * scale, (end[span] - view.from) * scale, y0, y1, colours[kind[span]]);
      }
    };
    const every = Math.max(1, Math.floor(1 / this.rowHeight));
    const last = Math.min(count, Math.ceil(this.last));
    for (let number = Math.max(0, Math.floor(this.first)); number < last; number += every) row(number);
    if (every > 1) for (const number of this.out) row(number);
    context.putImageData(image, 0, top);
  }

  // Few rows: bars with space between, and the names of items where there is room.
  drawBars(context, ratio) {
    const { from, kind, at, end, count, index } = this.rows;
    const palette = KINDS.map(([, name]) => colour(name)), wait = colour('--wait'), ink = colour('--fg');
    const gap = Math.min(this.rowHeight * 0.2, 3 * ratio), tall = this.rowHeight - gap;
    const last = Math.min(count, Math.ceil(this.last));
    for (let row = Math.max(0, Math.floor(this.first)); row < last; row++) {
      const y = this.top + (row - this.first) * this.rowHeight;
      let before = NaN;
      for (let span = from[row]; span < from[row + 1]; span++) {
        const x0 = this.place(at[span]), x1 = Math.max(this.place(end[span]), x0 + ratio);
        if (at[span] > before) {
          context.fillStyle = wait;
          const xb = this.place(before);
          context.fillRect(xb, y + tall * 0.35, x0 - xb, Math.max(1, tall * 0.3));
        }
        before = end[span];
        context.fillStyle = palette[kind[span]];
        if (kind[span] === DEAD) context.fillRect(x0 - ratio, y, 3 * ratio, tall);
        else context.fillRect(x0, y, x1 - x0, tall);
      }
      if (tall >= 12 * ratio) {
        context.fillStyle = ink;
        context.font = `${Math.min(12 * ratio, tall)}px system-ui, sans-serif`;
        context.textBaseline = 'middle';
        const end_ = this.place(end[from[row + 1] - 1]);
        context.fillText(this.name(index[row]), Math.min(Math.max(end_, 0) + 4 * ratio, this.canvas.width - 60 * ratio), y + tall / 2);
      }
    }
  }

  // Where the run ended, and where it could not have ended before.
  edges(context, height, ratio) {
    const lines = [[this.run.elapsed_s, '--fg', []], [this.run.bound_s, '--fault', [4 * ratio, 4 * ratio]]];
    for (const [time, name, dash] of lines) {
      context.strokeStyle = colour(name);
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(this.place(time), 0);
      context.lineTo(this.place(time), height);
      context.stroke();
    }
    context.setLineDash([]);
  }

  name(index) {
    return this.texts.has(index) ? `${index}: ${shown(this.texts.get(index))}` : `item ${index}`;
  }

  // The row and the time under a point, in pixels of the page.
  under(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const time = view.from + (x - box.left) / box.width * (view.to - view.from);
    const line = ((y - box.top) * ratio - this.top) / this.rowHeight + this.first;
    return { time, row: Math.floor(line), across: Math.max(1, Math.ceil(1 / this.rowHeight)) };
  }

  // What is under a point, in words; a line of pixels that stands for many rows tells of one that has something there.
  told(x, y) {
    const { time, row, across } = this.under(x, y);
    const { from, kind, at, end, count, index } = this.rows;
    if (row < 0 || row >= count) return '';
    const slack = (view.to - view.from) / this.canvas.width * 2;
    const has = (r) => at[from[r]] - slack <= time && time <= end[from[r + 1] - 1] + slack;
    let found = -1;
    for (let r = row; r < Math.min(row + across, count) && found < 0; r++) if (has(r)) found = r;
    if (found < 0) return '';
    const lines = [this.name(index[found])];
    let before = NaN;
    for (let span = from[found]; span < from[found + 1]; span++) {
      if (at[span] - before > 5e-5) lines.push(`waited ${lasted(at[span] - before)}`);
      before = end[span];
      const what = KINDS[kind[span]][0];
      const here = at[span] <= time && time <= end[span] ? ' ◂' : '';
      if (kind[span] === DEAD) lines.push(`${what} at ${seconds(at[span], 0.001)}${here}`);
      else lines.push(`${what} ${lasted(end[span] - at[span])}, from ${seconds(at[span], 0.001)}${here}`);
    }
    return lines.join('\n');
  }

  // Closer or further away, with what is under the point staying there.
  zoom(factor, x, y, wantsTime = true, wantsRows = true) {
    const { time, row } = this.under(x, y);
    if (wantsRows && this.rows.count) {
      const middle = Math.min(Math.max(row, 0), this.rows.count);
      this.rowsSeen(middle - (middle - this.first) * factor, middle + (this.last - middle) * factor);
    }
    if (wantsTime) view.set(time - (time - view.from) * factor, time + (view.to - time) * factor);
    view.redraw();
  }

  pan(dx, dy) {
    const box = this.canvas.getBoundingClientRect();
    const rows = dy * (this.canvas.width / box.width) / this.rowHeight;
    this.rowsSeen(this.first - rows, this.last - rows);
    const span = view.to - view.from;
    view.set(view.from - dx / box.width * span, view.to - dx / box.width * span);
    view.redraw();
  }

  listen() {
    const canvas = this.canvas, fingers = new Map();
    canvas.tabIndex = 0;
    canvas.addEventListener('wheel', (event) => {
      // The page scrolls as it should until one means the picture.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(1.0015 ** event.deltaY, event.clientX, event.clientY, !event.altKey, !event.shiftKey);
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      canvas.focus({ preventScroll: true });
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) {
        const text = this.told(event.clientX, event.clientY);
        return text ? tip.show(text, event.clientX, event.clientY) : tip.hide();
      }
      const now = [event.clientX, event.clientY];
      const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      fingers.set(event.pointerId, now);
      tip.hide();
      if (!others.length) return this.pan(now[0] - before[0], now[1] - before[1]);
      const [other] = others, apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      this.zoom(apart(before) / apart(now), other[0], other[1]);
    });
    const lift = (event) => fingers.delete(event.pointerId);
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, lift);
    canvas.addEventListener('click', (event) => {
      const text = this.told(event.clientX, event.clientY);
      if (text) tip.show(text, event.clientX, event.clientY);
    });
    canvas.addEventListener('pointerleave', () => tip.hide());
    canvas.addEventListener('dblclick', () => whole());
    canvas.addEventListener('keydown', (event) => {
      const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (moves[event.key]) this.pan(...moves[event.key]);
      else if (event.key === '+') closer(0.5);
      else if (event.key === '-') closer(2);
      else if (event.key === '0') whole();
      else return;
      event.preventDefault();
    });
  }
}

const panels = [];

function whole() {
  for (const panel of panels) panel.rowsSeen(0, panel.rows.count);
  view.set(0, view.whole);
}

// Around the middle of the time that is seen, with the rows that belong to it.
function closer(factor) {
  const middle = (view.from + view.to) / 2, half = (view.to - view.from) / 2 * factor;
  view.set(middle - half, middle + half);
  for (const panel of panels) panel.fitRows();
  view.redraw();
}
