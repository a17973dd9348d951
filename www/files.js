// The folder that is shown: its address in the hash, its pages from the server, filter and order,
// and the bar above it. Rows are table.js's, what is done with objects is actions.js's.

import { exists, link, list, place } from './api.js';
import { baseName, count, element, number, plain, shortName } from './format.js';
import * as table from './table.js';

// The first page is there at once; those after it are as large as the server gives them.
const FIRST = 200;
const NEXT = 1000;
// Most that is kept loaded; after that the list goes on from where it is, without what was before.
const MOST = 50_000;

const $ = (selector) => document.querySelector(selector);
const grid = $('#files');
const status = $('#files-status');
const crumbs = $('#crumbs ol');
const filter = $('#filter');
const zip = $('#zip');
const more = $('#more');
const sorted = $('#sorted');
const empty = $('#empty');
const failed = $('#failed');
const tools = $('#tools');
const selection = $('#selection');

// As people count: file2 before file10.
const COLLATOR = new Intl.Collator(undefined, { numeric: true });
const ORDERS = {
  name: (a, b) => COLLATOR.compare(a.key, b.key),
  size: (a, b) => (a.size ?? 0) - (b.size ?? 0),
  time: (a, b) => (a.time ?? 0) - (b.time ?? 0),
};

let prefix = null;
let cursor = null;
// Whether what was before this in the list is no longer loaded.
let cut = false;
let byKey = new Map();
let shown = [];
let order = 'name';
let direction = 1;
let loading = null;
// Whether the list may not be seen.
let unseen = false;

export const folder = () => prefix ?? '';

function addressed() {
  const text = location.hash.replace(/^#\/?/, '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function compare(a, b) {
  if (a.folder !== b.folder) return a.folder ? -1 : 1;
  return direction * ORDERS[order](a, b) || (a.key < b.key ? -1 : 1);
}

// Two lists that are in order.
function merge(a, b) {
  const made = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) made.push(compare(a[i], b[j]) <= 0 ? a[i++] : b[j++]);
  while (i < a.length) made.push(a[i++]);
  while (j < b.length) made.push(b[j++]);
  return made;
}

const asFolder = (key) => ({ key, folder: true, address: place(key) });
const asFile = (file) => ({
  key: file.key, folder: false, size: file.size, modified: file.last_modified,
  time: Date.parse(file.last_modified), address: link(file.key, 'inline'),
});

// Adds what is new, and takes over what has changed.
function take(items) {
  const known = items.filter((item) => byKey.has(item.key));
  if (known.length > 0) drop(known.map((item) => item.key));
  for (const item of items) byKey.set(item.key, item);
  shown = merge(shown, items.sort(compare));
}

function drop(keys) {
  for (const key of keys) byKey.delete(key);
  shown = shown.filter((item) => byKey.has(item.key));
}

function draw(fresh = false) {
  table.show(shown, { more: cursor !== null, fresh });
  tell();
}

function tell() {
  const none = shown.length === 0 && cursor === null && !loading && failed.hidden;
  empty.hidden = !none;
  if (none) {
    const drop = matchMedia('(pointer: coarse)').matches ? '' : ', or drop them anywhere on this page';
    empty.querySelector('p').textContent = filter.value
      ? `Nothing here begins with “${filter.value}”. Capitals count.`
      : prefix ? `Nothing is in this folder. Choose files above${drop}.`
        : `There are no files yet. Choose some above${drop}.`;
  }
  const items = count(shown.length, 'item');
  if (loading) status.textContent = 'Loading…';
  else if (!failed.hidden || none) status.textContent = '';
  else if (cut) status.textContent = `${items} from further on${cursor ? ', more exist' : ''}`;
  else status.textContent = cursor === null ? items : `The first ${items}, more exist`;
  more.hidden = cursor === null;
  more.disabled = loading !== null;
  more.textContent = shown.length >= MOST ? `Show the next, without these ${number(MOST)}` : 'Load more';
  sorted.hidden = cursor === null && !cut;
  sorted.textContent = 'Sorted is only what is loaded. The filter finds all that begin with its text.';
  zip.href = `files?${new URLSearchParams({ prefix: prefix + filter.value })}&zip`;
  zip.classList.toggle('off', shown.length === 0);
}

// Lists from the beginning, or on from where the list ends.
export async function load({ on = false, quiet = false } = {}) {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  const from = on ? cursor : null;
  let fresh = !on && !quiet;
  if (on && shown.length >= MOST) {
    cut = true;
    fresh = true;
    byKey = new Map();
    shown = [];
  }
  grid.ariaBusy = 'true';
  failed.hidden = true;
  tell();
  try {
    const ask = { prefix: prefix + filter.value, limit: on ? NEXT : FIRST, signal: mine.signal };
    let page = await list({ ...ask, cursor: from });
    const [files, prefixes] = [page.files, page.prefixes];
    // A page may be empty while there is a next one.
    while (files.length + prefixes.length === 0 && page.next_cursor) {
      page = await list({ ...ask, cursor: page.next_cursor });
      files.push(...page.files);
      prefixes.push(...page.prefixes);
    }
    if (!on) {
      byKey = new Map();
      shown = [];
      cut = false;
    }
    cursor = page.next_cursor ?? null;
    loading = null;
    unseen = false;
    take([...prefixes.map(asFolder), ...files.filter((file) => file.key !== prefix).map(asFile)]);
    draw(fresh);
    apply();
  } catch (error) {
    if (loading !== mine) return;
    loading = null;
    unseen = error.status === 401 || error.status === 403;
    failed.querySelector('p').textContent = unseen
      ? 'You may not see the files here. If you may add some, choose them above.' : error.message;
    $('#again').hidden = unseen;
    failed.classList.toggle('error', !unseen);
    failed.hidden = false;
    if (!on) {
      byKey = new Map();
      shown = [];
      cursor = null;
    }
    draw(fresh);
  }
  grid.ariaBusy = 'false';
}

function drawCrumbs() {
  const parts = prefix.split('/').slice(0, -1);
  const links = ['', ...parts].map((part, index) => {
    const to = element('a', {
      href: place(parts.slice(0, index).map((text) => `${text}/`).join('')),
      textContent: index === 0 ? 'All files' : plain(part) || '(no name)',
    });
    to.dir = 'auto';
    if (index === parts.length) to.ariaCurrent = 'page';
    return element('li', {}, to);
  });
  crumbs.replaceChildren(...links);
  crumbs.lastElementChild.scrollIntoView({ block: 'nearest', inline: 'end' });
  $('#target').textContent = prefix ? `They go to ${plain(prefix)}` : 'They go to All files';
  document.title = prefix ? `${shortName(prefix)} – Cloud Portfolio` : 'Cloud Portfolio';
}

// Follows the address: the folder, and where an object is named, its details.
async function follow(first) {
  const key = addressed();
  const to = key.slice(0, key.lastIndexOf('/') + 1);
  if (to !== prefix) {
    prefix = to;
    filter.value = '';
    cursor = null;
    byKey = new Map();
    shown = [];
    drawCrumbs();
    failed.hidden = true;
    // The new folder's rows come in a moment: until then the old ones are not shown under its name.
    loading = loading ?? new AbortController();
    draw(true);
    if (!first && scrollY > grid.offsetTop) scrollTo({ top: 0, behavior: 'instant' });
    load().then(() => { if (!first && !document.querySelector('dialog[open]')) table.focus(0); });
  }
  const { close, open } = await import('./details.js');
  if (key === to) {
    close();
  } else {
    // People do not wait for it: what comes too late is not shown over where they are.
    const wanted = () => addressed() === key;
    if (!(byKey.has(key) || await exists(key)) || !await open(key, back, wanted)) await astray(key, wanted);
  }
}

// The address names no object: a folder without its slash, or what is no longer there.
async function astray(key, wanted) {
  const [within, { toast }] = await Promise.all([list({ prefix: `${key}/`, limit: 1 }), import('./dialog.js')]);
  if (!wanted()) return;
  if (within.files.length + within.prefixes.length > 0) {
    location.replace(place(`${key}/`));
  } else {
    history.replaceState(null, '', place(prefix));
    toast(`“${plain(baseName(key))}” is not there, or no longer.`);
  }
}

// Closing an object's details goes back to its folder.
let stepped = false;
function back() {
  if (addressed() !== prefix) {
    if (stepped) history.back();
    else history.replaceState(null, '', place(prefix));
  }
  stepped = false;
  table.focus();
}

table.onAction(async (what, items, where, point) => {
  if (what === 'near') {
    if (cursor !== null && !loading && shown.length < MOST && failed.hidden) load({ on: true });
  } else if (what === 'selection') {
    selection.hidden = items.length === 0;
    tools.hidden = items.length > 0;
    $('#selected').textContent = `${table.label()} selected`;
    selection.querySelector('[data-action="download"]').hidden = items.length !== 1;
  } else if (what === 'up') {
    if (prefix) location.hash = place(prefix.slice(0, prefix.lastIndexOf('/', prefix.length - 2) + 1));
  } else if (what === 'open') {
    stepped = !items[0].folder;
    location.hash = place(items[0].key);
  } else {
    const actions = await import('./actions.js');
    if (what === 'menu') actions.menu(items, where, point, focusBack);
    else actions[what](items, focusBack);
  }
});

const focusBack = () => table.focus();

selection.addEventListener('click', async (event) => {
  const { action } = event.target.closest('button')?.dataset ?? {};
  if (!action) return;
  if (action === 'clear') {
    table.clear();
    table.focus();
  } else {
    (await import('./actions.js'))[action](table.selection(), focusBack);
  }
});

grid.tHead.addEventListener('click', (event) => {
  const { sort } = event.target.dataset;
  if (!sort) return;
  direction = sort === order ? -direction : sort === 'name' ? 1 : -1;
  order = sort;
  for (const head of grid.tHead.rows[0].cells) {
    if (!head.ariaSort) continue;
    head.ariaSort = head.firstChild.dataset.sort !== sort ? 'none' : direction > 0 ? 'ascending' : 'descending';
  }
  shown.sort(compare);
  draw();
});

let typing;
filter.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => load(), 250);
});
filter.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown') {
    event.preventDefault();
    table.focus(0);
  }
});

// What was done elsewhere on the page shows at once, as if it had been listed; of many changes
// those of a moment are drawn together.
const news = { gone: new Set(), came: new Map() };
let drawing = null;
addEventListener('changed', ({ detail: { gone, came } }) => {
  for (const key of gone) {
    news.gone.add(key);
    news.came.delete(key);
  }
  for (const object of came) {
    news.came.set(object.key, object);
    news.gone.delete(object.key);
  }
  if (drawing) return;
  apply();
  drawing = setTimeout(() => { drawing = null; apply(); }, 150);
});

function apply() {
  // A list on its way may be older than the news: they come after it.
  if (loading) return;
  const start = prefix + filter.value;
  const items = new Map();
  for (const object of news.came.values()) {
    if (!object.key.startsWith(start) || object.key === prefix) continue;
    const slash = object.key.indexOf('/', start.length);
    const item = slash < 0 ? asFile(object) : asFolder(object.key.slice(0, slash + 1));
    items.set(item.key, item);
  }
  const known = [...news.gone].filter((key) => byKey.has(key));
  news.gone.clear();
  news.came.clear();
  if (unseen) return;
  if (known.length > 0) drop(known);
  if (items.size > 0) take([...items.values()]);
  if (known.length + items.size > 0) draw();
}

zip.addEventListener('click', async (event) => {
  event.preventDefault();
  (await import('./actions.js')).download([{ key: prefix + filter.value, folder: true }]);
});
$('#load').addEventListener('click', () => load({ quiet: true }));
$('#again').addEventListener('click', () => load({ on: cursor !== null }));
more.addEventListener('click', () => load({ on: true }));
addEventListener('hashchange', () => follow(false));

export const start = () => follow(true);
