// The list as a grid: draws the rows near the window and no others, and keeps the active row and
// the selection, by mouse and by keyboard. What is listed, and what is done with it, is files.js's.

import { bytes, date, fullDate, kind, name, number, plain, shortName, size } from './format.js';

// Rows drawn above and below the window.
const AROUND = 12;

const table = document.querySelector('#files');
const body = table.tBodies[0];
const all = document.querySelector('#all');
const template = document.querySelector('#row').content.firstElementChild;

// In the order in which they are shown: {key, folder, size, time, modified}.
let items = [];
const rows = new Map();
const selected = new Set();
let at = new Map();
let active = 0;
// Where a range with Shift begins.
let anchor = 0;
let height = 44;
let pending = false;
let act = () => {};

// What is asked for by mouse or key: act(what, items, where), `where` being the element.
export function onAction(callback) {
  act = callback;
}

export const selection = () => items.filter((item) => selected.has(item.key));

// Shows these. `fresh`: they are of another folder, so nothing is selected and the top is shown.
export function show(next, { more, fresh }) {
  const top = fresh ? null : anchorRow();
  const held = items[active]?.key;
  items = next;
  at = new Map(items.map((item, index) => [item.key, index]));
  for (const key of selected) if (fresh || !at.has(key)) selected.delete(key);
  active = fresh ? 0 : at.get(held) ?? Math.min(active, Math.max(0, items.length - 1));
  anchor = active;
  table.ariaRowCount = more ? -1 : items.length + 1;
  table.classList.toggle('void', items.length === 0);
  const focused = body.contains(document.activeElement) || document.activeElement === table;
  draw(true);
  // What was at the window's top stays there when rows come above it.
  if (top) {
    const now = at.get(top.key);
    if (now !== undefined && now !== top.index) {
      scrollBy({ top: (now - top.index) * height, behavior: 'instant' });
      draw();
    }
  }
  if (focused && !body.contains(document.activeElement)) focus(active);
  tell();
}

// The first row in the window, once the list is scrolled.
function anchorRow() {
  const above = -body.getBoundingClientRect().top;
  const index = Math.floor(above / height);
  return above > 0 && items[index] ? { key: items[index].key, index } : null;
}

function draw(anew = false) {
  pending = false;
  const first = rows.values().next().value;
  if (first?.offsetHeight) height = first.offsetHeight;
  const { top } = body.getBoundingClientRect();
  const from = Math.max(0, Math.min(Math.floor(-top / height) - AROUND, items.length - 1));
  const to = Math.max(from, Math.min(items.length, Math.ceil((innerHeight - top) / height) + AROUND));
  const wanted = items.slice(from, to);
  const keys = new Set(wanted.map((item) => item.key));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    // The focus must not fall out of the page with its row.
    if (row.contains(document.activeElement)) table.focus({ preventScroll: true });
    row.remove();
    rows.delete(key);
  }
  let next = body.firstElementChild;
  wanted.forEach((item, offset) => {
    let row = rows.get(item.key);
    if (!row) {
      row = make(item);
      rows.set(item.key, row);
    } else if (anew) {
      fill(row, item);
    }
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
    row.ariaRowIndex = from + offset + 2;
  });
  body.style.paddingTop = `${from * height}px`;
  body.style.paddingBottom = `${Math.max(0, items.length - to) * height}px`;
  mark();
  if (to > items.length - 50) act('near', [], table);
}

function later() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => draw());
}
addEventListener('scroll', later, { passive: true });
addEventListener('resize', later, { passive: true });

function make(item) {
  const row = template.cloneNode(true);
  row.dataset.key = item.key;
  const label = shortName(item.key);
  const [pick, , , , more] = row.cells;
  pick.firstChild.ariaLabel = `Select ${label}`;
  more.firstChild.ariaLabel = `Actions for ${label}`;
  row.querySelector('use').setAttribute('href', `#i-${kind(item.key)}`);
  row.querySelector('svg').classList.toggle('folder', item.folder);
  const open = row.querySelector('a');
  open.href = item.address;
  open.append(name(label));
  // Heard as one word, though it is drawn in two.
  open.ariaLabel = label;
  open.title = plain(item.key);
  fill(row, item);
  return row;
}

// What of an object changes when it is replaced.
function fill(row, item) {
  const [, , length, modified] = row.cells;
  length.textContent = item.folder ? '' : size(item.size);
  length.title = item.folder ? '' : bytes(item.size);
  const time = modified.firstChild;
  time.dateTime = item.modified ?? '';
  time.textContent = item.folder ? '' : date(item.modified);
  time.title = item.folder ? '' : fullDate(item.modified);
}

// Selection and the one row that Tab comes to, as they are now.
function mark() {
  for (const [key, row] of rows) {
    const is = selected.has(key);
    const index = at.get(key) === active ? 0 : -1;
    row.ariaSelected = is;
    row.tabIndex = index;
    const box = row.cells[0].firstChild;
    box.checked = is;
    box.tabIndex = index;
    row.querySelector('a').tabIndex = index;
    row.cells[4].firstChild.tabIndex = index;
  }
}

function tell() {
  mark();
  all.checked = items.length > 0 && selected.size === items.length;
  all.indeterminate = selected.size > 0 && !all.checked;
  act('selection', selection(), table);
}

export function clear() {
  selected.clear();
  tell();
}

// Puts the focus on a row, into the window where it is not.
export function focus(index = active) {
  if (items.length === 0) {
    document.querySelector('#crumbs [aria-current]')?.focus({ preventScroll: true });
    return;
  }
  active = Math.max(0, Math.min(index, items.length - 1));
  const { top } = body.getBoundingClientRect();
  const head = table.tHead.getBoundingClientRect().bottom;
  const upper = Math.max(head, 0);
  const lower = innerHeight - (parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom) || 0);
  const place = top + active * height;
  if (place < upper) scrollBy({ top: place - upper, behavior: 'instant' });
  else if (place + height > lower) scrollBy({ top: place + height - lower, behavior: 'instant' });
  draw();
  rows.get(items[active].key)?.focus({ preventScroll: true });
}

function range(from, to) {
  for (let index = Math.min(from, to); index <= Math.max(from, to); index += 1) selected.add(items[index].key);
}

// A click or key on a row: alone, added to, or everything between.
function choose(index, { toggle, extend }) {
  if (extend) {
    if (!toggle) selected.clear();
    range(anchor, index);
  } else if (toggle) {
    const { key } = items[index];
    if (!selected.delete(key)) selected.add(key);
    anchor = index;
  } else {
    selected.clear();
    selected.add(items[index].key);
    anchor = index;
  }
  active = index;
  tell();
}

const rowOf = (element) => element.closest?.('tbody tr');
const indexOf = (row) => at.get(row.dataset.key);

// What an action is for: the selection where the row is part of it, else the row alone.
function meant(index) {
  const item = items[index];
  if (!item) return selection();
  return selected.has(item.key) ? selection() : [item];
}

body.addEventListener('click', (event) => {
  const row = rowOf(event.target);
  if (!row) return;
  const index = indexOf(row);
  const held = { toggle: event.ctrlKey || event.metaKey, extend: event.shiftKey };
  if (event.target.closest('input')) {
    choose(index, { toggle: true, extend: event.shiftKey });
  } else if (event.target.closest('.actions')) {
    active = index;
    mark();
    act('menu', meant(index), event.target.closest('.actions'));
  } else if (event.target.closest('a') && !held.toggle && !held.extend) {
    event.preventDefault();
    active = index;
    mark();
    act('open', [items[index]], row);
  } else {
    event.preventDefault();
    // A click beside the name adds on a touch screen, where nobody holds a key.
    if (event.pointerType === 'touch') held.toggle = true;
    choose(index, held);
    rows.get(items[index].key)?.focus({ preventScroll: true });
  }
});

body.addEventListener('dblclick', (event) => {
  const row = rowOf(event.target);
  if (row && !event.target.closest('input, button, a')) act('open', [items[indexOf(row)]], row);
});

body.addEventListener('contextmenu', (event) => {
  const row = rowOf(event.target);
  if (!row) return;
  event.preventDefault();
  const index = indexOf(row);
  active = index;
  mark();
  // By key it has no place of its own.
  act('menu', meant(index), row, event.clientX || event.clientY ? event : null);
});

// The row that has the focus is the active one, however it came to it.
body.addEventListener('focusin', (event) => {
  const row = rowOf(event.target);
  if (row && indexOf(row) !== active) {
    active = indexOf(row);
    mark();
  }
});

const pageRows = () => Math.max(1, Math.floor(innerHeight / height) - 3);

const STEPS = {
  ArrowDown: () => active + 1,
  ArrowUp: () => active - 1,
  PageDown: () => active + pageRows(),
  PageUp: () => active - pageRows(),
  Home: () => 0,
  End: () => items.length - 1,
};

table.addEventListener('keydown', (event) => {
  const inside = rowOf(event.target) ?? (event.target === table && table);
  if (!inside || event.altKey || items.length === 0) return;
  const held = event.ctrlKey || event.metaKey;
  const control = event.target.closest('input, button, a');
  const { key } = event;
  if (STEPS[key] && !(control?.matches('input') && held)) {
    const index = Math.max(0, Math.min(STEPS[key](), items.length - 1));
    if (event.shiftKey) choose(index, { extend: true });
    focus(index);
    if (!event.shiftKey && !held) anchor = active;
  } else if (key === ' ' && !control) {
    choose(active, { toggle: true, extend: event.shiftKey });
  } else if (key === 'a' && held) {
    range(0, items.length - 1);
    tell();
  } else if (key === 'Escape' && selected.size > 0) {
    clear();
  } else if (key === 'Enter' && !control) {
    act('open', [items[active]], inside);
  } else if (key === 'Delete' || key === 'F2') {
    // A key that is held does not go from row to row, and where no row is in sight only what is
    // selected is meant.
    const those = inside === table ? selection() : meant(active);
    if (!event.repeat && those.length > 0) act(key === 'F2' ? 'move' : 'remove', those, inside);
  } else if (key === 'Backspace') {
    act('up', [], inside);
  } else {
    return;
  }
  event.preventDefault();
});

all.addEventListener('change', () => {
  selected.clear();
  if (all.checked) for (const item of items) selected.add(item.key);
  tell();
});

export const label = () => number(selected.size);
