// The queue as it is seen and heard: the docked panel, its rows, overall progress, speed and time
// left, and the question what to do where a name exists. The queue itself is queue.js's.

import { ask } from './dialog.js';
import { count, duration, element, name, plain, size } from './format.js';
import { chooseOne } from './pick.js';
import * as queue from './queue.js';

// Rows drawn: what needs somebody first, then what moves, then what waits.
const MOST_ROWS = 100;
const REDRAW_MS = 200;
// Speed is that of the last so many seconds.
const WINDOW_MS = 15_000;
const ANNOUNCE_MS = 15_000;

const $ = (selector) => document.querySelector(selector);
const panel = $('#queue');
const list = $('#uploads');
const body = $('#queue-body');
const overall = $('#overall');
const summary = $('#queue-summary');
const rest = $('#queue-rest');
const announcer = $('#announce');
const template = $('#upload-row').content.firstElementChild;
const [pauseAll, cancelAll, clear, fold] = ['#pause-all', '#cancel-all', '#clear', '#fold'].map($);

const RANKS = ['conflict failed needs-file', 'uploading retrying offline', 'waiting paused', 'stored skipped cancelled']
  .map((states) => states.split(' '));
const rank = (entry) => RANKS.findIndex((states) => states.includes(entry.state));

const rows = new Map();
let timer = null;
let title = '';

function later() {
  timer ??= setTimeout(() => { timer = null; draw(); }, REDRAW_MS);
}

// --- figures

let samples = [];
let smooth = null;

// Bytes a second, or null where nothing is known yet.
function speed(running) {
  const now = performance.now();
  if (!running) {
    samples = [];
    smooth = null;
    return null;
  }
  samples.push([now, queue.moved.bytes]);
  while (samples.length > 2 && now - samples[0][0] > WINDOW_MS) samples.shift();
  const [began, first] = samples[0];
  if (now - began < 1000 || queue.moved.bytes === first) return smooth;
  const measured = (queue.moved.bytes - first) / ((now - began) / 1000);
  // So that the time left does not jump about.
  smooth = smooth === null ? measured : smooth + (measured - smooth) * 0.1;
  return smooth;
}

function figures() {
  const sum = { files: 0, stored: 0, sent: 0, total: 0, states: {} };
  for (const entry of queue.entries.values()) {
    sum.states[entry.state] = (sum.states[entry.state] ?? 0) + 1;
    if (['skipped', 'cancelled', 'failed'].includes(entry.state)) continue;
    sum.files += 1;
    sum.stored += entry.state === 'stored';
    // An empty file is one too.
    sum.sent += entry.sent;
    sum.total += entry.size;
  }
  return sum;
}

const has = (sum, ...states) => states.some((state) => sum.states[state] > 0);

function tellFigures(sum) {
  const running = has(sum, 'uploading', 'retrying');
  const rate = speed(running);
  const parts = [];
  const moving = has(sum, 'uploading', 'waiting', 'retrying', 'offline', 'paused', 'conflict', 'needs-file');
  if (moving) {
    parts.push(`${sum.stored} of ${count(sum.files, 'file')}`, `${size(sum.sent)} of ${size(sum.total)}`);
    if (rate) parts.push(`${size(rate)}/s`, `${duration((sum.total - sum.sent) / rate)} left`);
    else if (has(sum, 'offline')) parts.push('waiting for the connection');
    else if (!running && has(sum, 'paused')) parts.push('paused');
  } else if (sum.stored > 0) {
    parts.push(`${count(sum.stored, 'file')} stored`, size(sum.total));
  }
  if (has(sum, 'failed')) parts.push(`${sum.states.failed} not stored`);
  summary.textContent = parts.join(', ');
  overall.max = sum.total || 1;
  overall.value = sum.total ? sum.sent : Number(sum.files > 0 && sum.stored === sum.files);
  overall.classList.toggle('still', !running);
  const percent = Math.floor(100 * overall.value / overall.max);
  titled(moving && running ? `${percent}% – ` : '');
  return { percent, rate, running };
}

// The tab shows how far it is.
function titled(text) {
  if (text === title) return;
  document.title = text + document.title.replace(/^\d+% – /, '');
  title = text;
}

// --- what is heard

let heard = 0;
let before = '';

function announce(sum, { percent, rate, running }) {
  const now = performance.now();
  const state = JSON.stringify([running, sum.states.failed, sum.states.conflict, has(sum, 'offline'), has(sum, 'paused'), has(sum, 'cancelled')]);
  const wait = state === before ? ANNOUNCE_MS : 1000;
  if (state === before && !running) return;
  if (now - heard < wait) {
    if (state !== before) later();
    return;
  }
  const parts = [];
  if (has(sum, 'offline')) parts.push('The connection was lost. Uploads go on by themselves.');
  else if (running) parts.push(`Uploading, ${percent} percent${rate ? `, ${duration((sum.total - sum.sent) / rate)} left` : ''}.`);
  else if (has(sum, 'paused')) parts.push('Uploads are paused.');
  else if (has(sum, 'cancelled') && sum.stored === 0) parts.push('Uploads are cancelled.');
  else if (sum.stored > 0 && !has(sum, 'waiting', 'paused', 'conflict')) parts.push(`${count(sum.stored, 'file')} stored.`);
  if (has(sum, 'failed')) parts.push(`${count(sum.states.failed, 'file')} could not be stored.`);
  announcer.textContent = parts.join(' ');
  heard = now;
  before = state;
}

// --- rows

const BUTTONS = {
  waiting: ['Pause', 'Cancel'],
  uploading: ['Pause', 'Cancel'],
  retrying: ['Pause', 'Cancel'],
  offline: ['Pause', 'Cancel'],
  paused: ['Resume', 'Cancel'],
  conflict: ['Replace', 'Keep both', 'Skip'],
  'needs-file': ['Choose file', 'Cancel'],
  failed: ['Retry', 'Remove'],
  cancelled: ['Retry', 'Remove'],
  skipped: ['Remove'],
  stored: [],
};

const DO = {
  Pause: queue.pause,
  Resume: queue.resume,
  Cancel: queue.cancel,
  Retry: queue.retry,
  Remove: queue.drop,
  Replace: (entry) => queue.answer(entry, 'replace'),
  'Keep both': (entry) => queue.answer(entry, 'both'),
  Skip: (entry) => queue.answer(entry, 'skip'),
  'Choose file': (entry) => chooseOne((file) => queue.attach(entry, file)),
};

function make(entry) {
  const row = template.cloneNode(true);
  const shown = plain(entry.path);
  row.dataset.key = entry.key;
  row.querySelector('.name').append(name(entry.path));
  row.querySelector('.name').title = shown;
  row.querySelector('progress').ariaLabel = `Upload of ${shown}`;
  return row;
}

function noteOf(entry) {
  const { state, sent, size: all } = entry;
  if (state === 'uploading') return sent > 0 || all > 8_388_608 ? `${size(sent)} of ${size(all)}` : size(all);
  if (state === 'paused') return `Paused${sent ? ` at ${size(sent)} of ${size(all)}` : ''}`;
  const renamed = entry.both && state === 'stored' ? ` as ${plain(entry.key.slice(entry.folder.length))}` : entry.replace ? ', replaced' : '';
  return entry.note || {
    waiting: `Waiting, ${size(all)}`, stored: `Stored${renamed}, ${size(all)}`, skipped: 'Skipped', cancelled: 'Cancelled',
  }[state];
}

function fill(row, entry) {
  const { state } = entry;
  const [meter, note, advice, buttons] = ['progress', '.note', '.advice', '.buttons'].map((at) => row.querySelector(at));
  meter.max = entry.size || 1;
  meter.value = entry.size ? entry.sent : Number(state === 'stored');
  note.textContent = noteOf(entry);
  advice.textContent = entry.advice;
  // Buttons a button of which has the focus are not exchanged for the same.
  const labels = (entry.file || !['failed', 'cancelled'].includes(state) ? BUTTONS[state] : ['Remove'])
    .filter((label) => !(entry.kept && label === 'Replace'));
  if (row.dataset.state === state && buttons.childElementCount === labels.length) return;
  const focused = buttons.contains(document.activeElement);
  row.dataset.state = state;
  buttons.replaceChildren(...labels.map((label) => {
    const button = element('button', { type: 'button', className: 'quiet', textContent: label, ariaLabel: `${label} ${plain(entry.path)}` });
    button.addEventListener('click', () => { DO[label](entry); draw(); });
    return button;
  }));
  if (focused) (buttons.firstChild ?? fold).focus();
}

// Those that are drawn, in the order in which they were added.
function chosen() {
  const { entries } = queue;
  if (entries.size <= MOST_ROWS) return [...entries.values()];
  const ranked = RANKS.map(() => []);
  for (const entry of entries.values()) {
    const rest = ranked[rank(entry)];
    if (rest.length < MOST_ROWS) rest.push(entry);
  }
  return ranked.flat().slice(0, MOST_ROWS).sort((a, b) => a.id - b.id);
}

function draw() {
  const sum = figures();
  const { size: all } = queue.entries;
  const held = panel.contains(document.activeElement);
  panel.hidden = all === 0;
  const told = tellFigures(sum);
  announce(sum, told);
  const drawn = chosen();
  const ids = new Set(drawn.map((entry) => entry.id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  let next = list.firstElementChild;
  for (const entry of drawn) {
    if (!rows.has(entry.id)) rows.set(entry.id, make(entry));
    const row = rows.get(entry.id);
    fill(row, entry);
    if (row === next) next = next.nextElementSibling;
    else list.insertBefore(row, next);
  }
  rest.hidden = all <= drawn.length;
  rest.textContent = `And ${count(all - drawn.length, 'more file')}`;
  const active = has(sum, 'uploading', 'waiting', 'retrying', 'offline');
  pauseAll.hidden = !active && !has(sum, 'paused');
  pauseAll.textContent = active ? 'Pause all' : 'Resume all';
  cancelAll.hidden = !active && !has(sum, 'paused', 'conflict', 'needs-file');
  clear.hidden = !has(sum, 'stored', 'skipped', 'cancelled');
  if (held && !panel.contains(document.activeElement)) (panel.hidden ? $('#file') : fold).focus();
  // What the panel covers can be scrolled out from under it.
  document.documentElement.style.setProperty('--dock', panel.hidden ? '0px' : `${panel.offsetHeight}px`);
  if (told.running) later();
  askNext(sum);
}

// --- names that exist

// What is to be done with all of a batch, until the queue is through.
const standing = new Map();
// Whether somebody has put the question off: then the rows ask.
let putOff = false;
let asking = false;

async function askNext(sum) {
  if (!has(sum, ...queue.BUSY)) {
    standing.clear();
    putOff = false;
  }
  if (!has(sum, 'conflict')) return;
  const inConflict = (each) => each.state === 'conflict';
  const conflicts = [...queue.entries.values()].filter(inConflict);
  for (const each of conflicts) if (standing.has(each.batch)) queue.answer(each, standing.get(each.batch));
  // What may not be replaced its row asks about.
  const entry = conflicts.find((each) => inConflict(each) && !each.kept);
  if (asking || putOff || !entry) return;
  asking = true;
  const all = element('input', { type: 'checkbox' });
  const how = await ask({
    id: 'conflict',
    title: 'This name exists already',
    content: [
      element('p', { className: 'subject' }, name(entry.key)),
      element('p', { textContent: 'Replace what is there, keep both under two names, or skip this file?' }),
      element('label', { className: 'check' }, all, 'Do this for all'),
    ],
    buttons: [{ label: 'Skip', value: 'skip' }, { label: 'Replace', value: 'replace' }, { label: 'Keep both', value: 'both', kind: 'primary' }],
  });
  asking = false;
  if (how === '') putOff = true;
  else if (all.checked) standing.set(entry.batch, how);
  if (how) queue.answer(entry, how);
  draw();
}

// --- the panel

fold.addEventListener('click', () => {
  body.hidden = !body.hidden;
  fold.ariaExpanded = !body.hidden;
  fold.ariaLabel = body.hidden ? 'Show uploads' : 'Hide uploads';
  draw();
});

function forAll(action, ...states) {
  for (const entry of [...queue.entries.values()]) if (states.includes(entry.state)) action(entry);
  draw();
}

pauseAll.addEventListener('click', () => {
  if (pauseAll.textContent === 'Pause all') forAll(queue.pause, 'waiting', 'retrying', 'offline', 'uploading');
  else forAll(queue.resume, 'paused');
});
cancelAll.addEventListener('click', () => forAll(queue.cancel, 'waiting', 'retrying', 'offline', 'paused', 'conflict', 'needs-file', 'uploading'));
clear.addEventListener('click', queue.clear);

// Leaving the page would cut what is still on its way.
addEventListener('beforeunload', (event) => {
  if ([...queue.entries.values()].some(queue.isBusy)) event.preventDefault();
});

queue.onChange(later);

export function add(files, folder, batch) {
  putOff = false;
  queue.add(files, folder, batch);
}

export const { recover } = queue;
