// The queue of uploads: its entries and their states, three at once, and what happens when the
// network or the server fails. How bytes go is send.js's, how it looks is uploads.js's.
//
// An entry: {id, batch, key, path, folder, size, modified, type, file, state, sent, url, note, advice,
// replace, both, kept, tries, refusals}; `sent` is what the server has acknowledged, `kept`: what has
// its name may not be replaced.

import { backoff, changed, passing, sleep } from './api.js';
import { baseName } from './format.js';
import { ownName } from './pick.js';
import { forget, left, onOwner, save } from './saved.js';
import { Exists, giveUp, send } from './send.js';

const AT_ONCE = 3;
// Tries of one file in a row in which nothing got on.
const TRIES = 8;

export const entries = new Map();
// Bytes acknowledged since the page is open: what speed is measured by.
export const moved = { bytes: 0 };

const ready = new Set();
const running = new Set();
let searching = false;
let tell = () => {};
// Windows that open at once must not have the same.
let serial = Math.floor((Date.now() + Math.random()) * 1000);

// Called with an entry whenever something of it has changed.
export function onChange(callback) {
  tell = callback;
}

export const BUSY = ['uploading', 'waiting', 'retrying', 'offline', 'conflict'];
export const isBusy = (entry) => BUSY.includes(entry.state);
export const isOver = (entry) => ['stored', 'skipped', 'cancelled'].includes(entry.state);

function set(entry, state, note = '', advice = '') {
  Object.assign(entry, { state, note, advice });
  if (isOver(entry)) {
    forget(entry);
    // A file that is held is a file that the browser holds open.
    if (state !== 'cancelled') entry.file = null;
  } else {
    save(entry);
  }
  tell(entry);
}

function wait(entry) {
  set(entry, 'waiting');
  ready.add(entry);
}

const print = ({ name, size, modified }) => `${size} ${modified} ${name}`;

// Queues files, [{path, file}], below a folder. One that an earlier page has left is gone on with.
// `batch` is the same for all that came with one gesture.
export function add(files, folder, batch) {
  if (![...entries.values()].some(isBusy)) clear();
  const lost = [...entries.values()].filter((entry) => entry.state === 'needs-file');
  const paths = new Map(lost.map((entry) => [print({ ...entry, name: entry.folder + entry.path }), entry]));
  // A file chosen by itself may be one of a folder that was lost, where it can be but one of them.
  const names = new Map();
  for (const entry of lost.filter((each) => each.folder === folder)) {
    const name = print({ ...entry, name: baseName(entry.path) });
    names.set(name, names.has(name) ? null : entry);
  }
  for (const { path, file } of files) {
    const about = { size: file?.size ?? 0, modified: file?.lastModified ?? 0 };
    const known = file && (paths.get(print({ ...about, name: folder + path })) ?? names.get(print({ ...about, name: path })));
    if (known?.state === 'needs-file') {
      Object.assign(known, { file, batch });
      wait(known);
      continue;
    }
    serial += 1;
    const entry = {
      id: serial, batch, key: folder + path, path, folder, ...about, type: file?.type ?? '', file, sent: 0, url: null, tries: 0, replace: false, both: false,
    };
    entries.set(entry.id, entry);
    if (file) wait(entry);
    else set(entry, 'failed', 'It cannot be read.', 'Look whether you may open it, and add it again.');
  }
  next();
}

// What pages before this one did not bring to its end.
export async function recover() {
  for (const entry of await left()) {
    serial = Math.max(serial, entry.id);
    if (entries.has(entry.id)) continue;
    entries.set(entry.id, { ...entry, tries: 0, file: null });
    set(entries.get(entry.id), 'needs-file', 'Not finished when the page was left.', 'Choose the same file again to go on.');
  }
}

// A page that answered too late still has them, and keeps them.
onOwner((owner) => {
  for (const entry of entries.values()) {
    if (entry.tab === owner && entry.state === 'needs-file') entries.delete(entry.id);
  }
  tell(null);
});

// The file for an entry that has none; false where it is another.
export function attach(entry, file) {
  const about = { size: file.size, modified: file.lastModified, name: ownName(file) };
  if (print({ ...entry, name: baseName(entry.path) }) !== print(about)) {
    set(entry, 'needs-file', 'That is not the same file: its name, size or date differs.', 'Choose the same file again to go on, or cancel this and add the new one.');
    return false;
  }
  entry.file = file;
  wait(entry);
  next();
  return true;
}

// Files of one name go one after the other: the later one then sees that the name is taken.
const taken = ({ key }) => [...running].some((entry) => entry.key === key);

function next() {
  for (const entry of ready) {
    if (running.size >= AT_ONCE || searching) return;
    if (entry.state === 'waiting' && taken(entry)) continue;
    ready.delete(entry);
    if (entry.state === 'waiting') run(entry);
  }
}

async function run(entry) {
  running.add(entry);
  const stop = new AbortController();
  entry.stop = stop;
  entry.refusals = 0;
  set(entry, 'uploading');
  try {
    const object = await send(entry, stop.signal, (at, fresh) => {
      if (at > entry.sent) entry.tries = 0;
      entry.sent = at;
      moved.bytes += fresh;
      save(entry);
      tell(entry);
    });
    entry.sent = entry.size;
    set(entry, 'stored');
    changed({ came: [object] });
  } catch (error) {
    // Who has stopped it has said what it is now.
    if (!stop.signal.aborted) fail(entry, error);
  }
  running.delete(entry);
  next();
}

function fail(entry, error) {
  if (error instanceof Exists && error.kept) {
    Object.assign(entry, { kept: true, replace: false });
    set(entry, 'conflict', error.kept, 'You may add files here, and not replace any. Keep both, or skip this one.');
  } else if (error instanceof Exists) {
    set(entry, 'conflict', 'A file of this name exists already.');
  } else if ((error.status === 0 || passing(error.status) || error.code === 'conflict') && entry.tries < TRIES) {
    entry.tries += 1;
    if (error.status === 0) {
      set(entry, 'offline', 'The connection was lost.', 'It goes on by itself.');
      search();
    } else {
      again(entry, error);
    }
  } else {
    set(entry, 'failed', error.message, advice(error));
  }
}

async function again(entry, error) {
  const seconds = backoff(entry.tries, error.wait);
  set(entry, 'retrying', error.message, `Trying again in ${Math.ceil(seconds)} s.`);
  await sleep(seconds);
  if (entry.state !== 'retrying') return;
  wait(entry);
  next();
}

function advice({ status, code, id }) {
  if (code === 'unreadable') return 'Add it again.';
  if (status === 413) return 'Send a smaller file, or ask whoever runs this server to take larger ones.';
  if (status === 507) return 'Delete what is no longer needed, then retry.';
  if (status === 400) return 'Rename the file and add it again.';
  if (status === 401 || status === 403) return 'Ask whoever runs this server for the right to store it.';
  if (status === 0) return 'Look after your connection, then retry.';
  return `Retry later. If it stays, tell whoever runs this server${id ? ` this: request ${id}` : ''}.`;
}

// Looks for the server until it answers; what waits for it then goes on.
let nudge = () => {};
async function search() {
  if (searching) return;
  searching = true;
  for (let tries = 0; ; tries += 1) {
    await Promise.race([sleep(backoff(Math.min(tries, 5))), new Promise((resolve) => { nudge = resolve; })]);
    try {
      // Where a proxy keeps the one to itself the other still tells.
      const answer = await fetch(tries % 2 === 0 ? 'health' : 'files?limit=1', { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
      if (answer.status < 500) break;
    } catch {
      // Not yet.
    }
  }
  searching = false;
  for (const entry of entries.values()) if (entry.state === 'offline') wait(entry);
  next();
}

addEventListener('online', () => nudge());
addEventListener('offline', () => {
  const running = [...entries.values()].filter((entry) => entry.state === 'uploading');
  for (const entry of running) {
    set(entry, 'offline', 'There is no network.', 'It goes on by itself.');
    entry.stop.abort();
  }
  if (running.length > 0) search();
});

export function pause(entry) {
  if (!['uploading', 'waiting', 'retrying', 'offline'].includes(entry.state)) return;
  set(entry, 'paused');
  entry.stop?.abort();
}

export function resume(entry) {
  if (entry.state !== 'paused') return;
  entry.tries = 0;
  wait(entry);
  next();
}

export function retry(entry) {
  Object.assign(entry, { tries: 0, kept: false });
  wait(entry);
  next();
}

export function cancel(entry) {
  set(entry, 'cancelled');
  entry.stop?.abort();
  giveUp(entry);
  Object.assign(entry, { url: null, sent: 0 });
  next();
}

// What is to be done where the name exists: 'replace', 'both' or 'skip'.
export function answer(entry, how) {
  if (entry.state !== 'conflict' || (entry.kept && how === 'replace')) return;
  if (how === 'skip') {
    set(entry, 'skipped');
  } else {
    entry[how] = true;
    wait(entry);
  }
  next();
}

export function drop(entry) {
  if (!isOver(entry)) {
    giveUp(entry);
    forget(entry);
  }
  entries.delete(entry.id);
  tell(entry);
}

export function clear() {
  for (const entry of entries.values()) if (isOver(entry)) entries.delete(entry.id);
  tell(null);
}
