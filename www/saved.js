// The queue as it outlives the page: what is to be uploaded and where each upload is, in
// IndexedDB. Files themselves cannot be kept; whoever reads this asks for them again. Where the
// browser keeps nothing (a private window), neither do we, and say nothing of it.

// Pages of one server at other paths have queues of their own.
const NAME = `cloud-portfolio${new URL('.', document.baseURI).pathname}`;
const FIELDS = ['id', 'key', 'path', 'folder', 'size', 'modified', 'type', 'url', 'sent', 'replace', 'both', 'unsure'];
// Other pages that are open have this long to say that they live. One that is busy says so late:
// where there are locks the browser knows who lives; without, it is waited for longer.
const ANSWER_MS = navigator.locks ? 250 : 3000;

const tab = crypto.getRandomValues(new Uint32Array(4)).join('-');
const channel = new BroadcastChannel(NAME);
const alive = new Set();
let onAlive = () => {};
channel.addEventListener('message', ({ data }) => {
  if (data === 'who') {
    channel.postMessage(tab);
  } else {
    alive.add(data);
    onAlive(data);
  }
});
// Held as long as the page is there.
const lockOf = (owner) => `${NAME} ${owner}`;
navigator.locks?.request(lockOf(tab), () => new Promise(() => {})).catch(() => {});

// Calls back with the owner, as entries name it, of a page that turns out to be open.
export function onOwner(callback) {
  onAlive = callback;
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

let base = null;
function open() {
  if (!base) {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('queue', { keyPath: 'id' });
    base = done(request);
  }
  return base;
}

// What is to be written: many changes go in one transaction.
const dirty = new Map();
let timer = null;

function flush() {
  clearTimeout(timer);
  timer = null;
  open().then((db) => {
    const store = db.transaction('queue', 'readwrite').objectStore('queue');
    for (const [id, entry] of dirty) {
      if (entry) store.put({ ...Object.fromEntries(FIELDS.map((field) => [field, entry[field]])), tab });
      else store.delete(id);
    }
    dirty.clear();
  }).catch(() => dirty.clear());
}

function change(id, entry) {
  dirty.set(id, entry);
  timer ??= setTimeout(flush, 100);
}
addEventListener('pagehide', () => { if (dirty.size > 0) flush(); });

export const save = (entry) => change(entry.id, entry);
export const forget = (entry) => change(entry.id, null);

// What pages that are no longer open have left, in the order in which it was added.
export async function left() {
  try {
    const db = await open();
    channel.postMessage('who');
    await new Promise((resolve) => { setTimeout(resolve, ANSWER_MS); });
    const { held = [] } = await navigator.locks?.query() ?? {};
    const locked = new Set(held.map((lock) => lock.name));
    const all = await done(db.transaction('queue').objectStore('queue').getAll());
    return all.filter((entry) => !alive.has(entry.tab) && !locked.has(lockOf(entry.tab)) && entry.tab !== tab);
  } catch {
    return [];
  }
}
