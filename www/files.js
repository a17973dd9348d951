// The list of stored files.

import { link, list, remove } from './api.js';
import { count, date, element, size } from './format.js';

const table = document.querySelector('#files');
const body = table.tBodies[0];
const status = document.querySelector('#files-status');
const empty = document.querySelector('#empty');
const loadButton = document.querySelector('#load');
const moreButton = document.querySelector('#more');
const moreRow = document.querySelector('#more-row');

let cursor = null;
// Answers to any but the newest question are dropped.
let newest = 0;

function say(text, failed = false) {
  status.textContent = text;
  status.classList.toggle('error', failed);
}

function show() {
  const rows = body.rows.length;
  table.hidden = rows === 0;
  empty.hidden = rows > 0 || cursor !== null;
  moreRow.hidden = cursor === null;
}

// Lists from the beginning.
export function load() {
  return page(null);
}

async function page(from) {
  newest += 1;
  const mine = newest;
  table.ariaBusy = 'true';
  moreButton.disabled = true;
  say('Loading…');
  try {
    let answer = await list(from);
    // A page may be empty while there is a next one.
    while (mine === newest && answer.files.length === 0 && answer.next_cursor) {
      answer = await list(answer.next_cursor);
    }
    if (mine !== newest) return;
    const rows = answer.files.map(row);
    if (from === null) body.replaceChildren(...rows);
    else body.append(...rows);
    cursor = answer.next_cursor ?? null;
    tell();
    show();
    if (from !== null) rows[0]?.querySelector('a').focus();
  } catch (error) {
    if (mine === newest) say(error.message, true);
  } finally {
    if (mine === newest) {
      table.ariaBusy = 'false';
      moreButton.disabled = false;
    }
  }
}

function tell() {
  const rows = body.rows.length;
  if (rows === 0) say('');
  else say(cursor === null ? count(rows, 'file') : `The first ${count(rows, 'file')}`);
}

// Roles are spelled out: on a phone the rows are laid out as a grid, and a browser may then no
// longer take them for a table.
function cell(className, ...children) {
  return element('td', { className, role: 'cell' }, ...children);
}

function row({ key, size: bytes, last_modified: modified }) {
  const download = element('a', { href: link(key), textContent: 'Download', ariaLabel: `Download ${key}` });
  download.download = '';
  const button = element('button', {
    type: 'button',
    className: 'quiet delete',
    textContent: 'Delete',
    ariaLabel: `Delete ${key}`,
  });
  const [day, clock] = date(modified);
  const made = element(
    'tr',
    { role: 'row' },
    cell('name', element('bdi', { textContent: key })),
    cell('size', element('span', { textContent: size(bytes), title: count(bytes, 'byte') })),
    cell('date', element('time', { dateTime: modified, title: modified }, day, element('span', { className: 'clock', textContent: ` ${clock}` }))),
    cell('actions', download, button),
  );
  button.addEventListener('click', () => drop(key, made, button));
  return made;
}

async function drop(key, made, button) {
  if (!confirm(`Delete “${key}”?`)) return;
  button.disabled = true;
  try {
    await remove(key);
  } catch (error) {
    button.disabled = false;
    say(`${key}: ${error.message}`, true);
    return;
  }
  const near = made.nextElementSibling ?? made.previousElementSibling;
  made.remove();
  show();
  say(`Deleted ${key}`);
  (near?.querySelector('button') ?? loadButton).focus();
}

loadButton.addEventListener('click', load);
moreButton.addEventListener('click', () => page(cursor));
