// Sends one file: a small one in one request, a large one piece by piece over tus 1.0.0, so that
// it can go on where it ended. When, how often and what is asked meanwhile is queue.js's.

import { exists, head, link, lost, problem, Problem } from './api.js';

const MIB = 1024 * 1024;
// Files to this size go in one request: what the server holds as one part.
const SMALL = 8 * MIB;
// Over this it is asked first whether the name is free: a refusal would come amid the body.
const ASK_FIRST = 64 * 1024;
// A piece is acknowledged when it is whole: so it should take some seconds, whatever the speed.
// Powers of two, so that pieces end where the server's parts do.
const LEAST = MIB;
const MOST = 64 * MIB;
const PIECE_SECONDS = 2;
let piece = 4 * MIB;

// Silence after which a request is given up, while it is sent and while it is answered.
const SILENT_MS = 45_000;
const ANSWER_MS = 150_000;

const TUS = { 'Tus-Resumable': '1.0.0' };

// Refusals of one file, after which nothing more is sent by itself; as many names are tried.
const REFUSALS = 100;

// The name is taken. `kept`: and what has it may not be replaced, in the server's words.
export class Exists extends Error {
  constructor(kept = '') {
    super();
    this.kept = kept;
  }
}
const mayNot = ({ status }) => status === 401 || status === 403;

// XMLHttpRequest, because fetch does not tell whether anything moves.
function request(entry, method, address, headers, body, signal) {
  return new Promise((resolve, reject) => {
    if (entry.refusals >= REFUSALS) {
      reject(new Problem('The server has refused this too often.', { status: 400 }));
      return;
    }
    const xhr = new XMLHttpRequest();
    let timer;
    const wait = (time) => {
      clearTimeout(timer);
      timer = setTimeout(() => xhr.abort(), time);
    };
    const stop = () => xhr.abort();
    xhr.open(method, address);
    for (const [name, value] of Object.entries({ Accept: 'application/json', ...headers })) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = () => wait(SILENT_MS);
    xhr.upload.onload = () => wait(ANSWER_MS);
    xhr.onabort = () => reject(signal.aborted ? signal.reason : lost());
    xhr.onerror = () => reject(lost());
    xhr.onload = () => {
      const field = (name) => xhr.getResponseHeader(name);
      if (xhr.status < 300) resolve({ status: xhr.status, field, text: xhr.responseText });
      else {
        entry.refusals += 1;
        reject(Object.assign(problem(xhr.status, field, xhr.responseText), { offset: field('Upload-Offset') }));
      }
    };
    xhr.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    signal.addEventListener('abort', stop);
    wait(body?.size ? SILENT_MS : ANSWER_MS);
    xhr.send(body);
  });
}

// Whether what is stored is this file already: an answer was lost, and what it said is to be
// found out. Only for what fits into memory.
async function same(entry, signal) {
  const stored = await head(entry.key, { signal }).catch((error) => {
    if (!mayNot(error)) throw error;
  });
  if (!stored || Number(stored.get('Content-Length')) !== entry.size) return false;
  const answer = await fetch(link(entry.key), { cache: 'no-store', signal });
  if (!answer.ok) return false;
  const [there, here] = await Promise.all([answer.arrayBuffer(), entry.file.arrayBuffer()]);
  const [a, b] = [new Uint8Array(there), new Uint8Array(here)];
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

const stored = (entry) => ({ key: entry.key, size: entry.size, last_modified: new Date().toISOString() });

// a.txt, a (2).txt, a (3).txt: the next that may be free. A longer number is a year, say.
function nextName(key) {
  const [, path, stem, , number, end] = /^(.*\/)?(.+?)( \((\d{1,2})\))?(\.[^./]*)?$/s.exec(key);
  return `${path ?? ''}${stem} (${Number(number ?? 1) + 1})${end ?? ''}`;
}

// The folder that was last found to be one whose names may not be seen.
let unseen = null;

// Whether a name is taken; null where that may not be known: what is sent under a condition tells.
async function isTaken(key, signal) {
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  if (folder === unseen) return null;
  try {
    return await exists(key, signal);
  } catch (error) {
    if (!mayNot(error)) throw error;
    unseen = folder;
    return null;
  }
}

async function findName(entry, signal) {
  for (let tries = 0; tries < REFUSALS; tries += 1) {
    entry.key = nextName(entry.key);
    if (!await isTaken(entry.key, signal)) return;
  }
  throw new Problem('Too many files have this name and a number already.', { status: 400 });
}

async function put(entry, signal, acknowledge) {
  for (;;) {
    const taken = !entry.replace && entry.size > ASK_FIRST && await isTaken(entry.key, signal);
    // There the first request, which has no body, tells.
    if (taken === null) return resumable(entry, signal, acknowledge);
    if (taken) {
      if (entry.unsure && await same(entry, signal)) return stored(entry);
      if (!entry.both) throw new Exists();
      await findName(entry, signal);
    }
    try {
      const headers = entry.replace ? {} : { 'If-None-Match': '*' };
      const { text } = await request(entry, 'PUT', link(entry.key), headers, entry.file, signal);
      try {
        return JSON.parse(text);
      } catch {
        // It is stored all the same, whoever has written the answer anew.
        return stored(entry);
      }
    } catch (error) {
      // Lost, or stopped by us: it may have come through.
      if (!error.status) entry.unsure = true;
      if (error.status !== 412) throw error;
      if (entry.unsure && await same(entry, signal)) return stored(entry);
      if (!entry.both) throw new Exists(entry.replace && error.message);
      await findName(entry, signal);
    }
  }
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

async function begin(entry, signal) {
  // Asked beforehand, so that nothing is sent in vain; who comes meanwhile the server finds at the end.
  if (!entry.replace && await isTaken(entry.key, signal)) {
    if (!entry.both) throw new Exists();
    await findName(entry, signal);
  }
  const headers = { ...TUS, 'Upload-Length': entry.size };
  if (!entry.replace) headers['If-None-Match'] = '*';
  if (entry.type) headers['Upload-Metadata'] = `filetype ${base64(entry.type)}`;
  const answer = await request(entry, 'POST', `uploads?key=${encodeURIComponent(entry.key)}`, headers, null, signal);
  entry.url = new URL(answer.field('Location'), document.baseURI).href;
}

async function offset(entry, signal) {
  const answer = await request(entry, 'HEAD', entry.url, TUS, null, signal);
  return Number(answer.field('Upload-Offset'));
}

// A piece that should take its seconds at the speed of the last one.
function adapt(length, seconds) {
  const best = length / seconds * PIECE_SECONDS;
  const wanted = 2 ** Math.floor(Math.log2(best));
  piece = Math.max(LEAST, Math.min(MOST, wanted, piece * 2));
}

async function resumable(entry, signal, acknowledge) {
  for (;;) {
    const begun = entry.url;
    try {
      return await goOn(entry, signal, acknowledge);
    } catch (error) {
      if (error.status !== 412) throw error;
      // Another was faster, and what was sent can become an object under a free name only.
      giveUp(entry);
      entry.url = null;
      // What was begun before people said so had the condition; what was begun since had none.
      if (!entry.both && !(entry.replace && begun)) throw new Exists(entry.replace && error.message);
      if (entry.both && await isTaken(entry.key, signal) === null) entry.key = nextName(entry.key);
    }
  }
}

async function goOn(entry, signal, acknowledge) {
  let at = null;
  if (entry.url) {
    try {
      at = await offset(entry, signal);
      acknowledge(at, 0);
      // The name was free when it began; while it stood still another may have taken it.
      if (at < entry.size && !entry.replace && await isTaken(entry.key, signal)) {
        if (!entry.both) throw new Exists();
        giveUp(entry);
        entry.url = null;
      }
    } catch (error) {
      // Given up by the server meanwhile: from the beginning then.
      if (![404, 410].includes(error.status)) throw error;
      entry.url = null;
    }
  }
  if (!entry.url) {
    acknowledge(0, 0);
    await begin(entry, signal);
    at = 0;
    acknowledge(0, 0);
  }
  while (at < entry.size) {
    const end = Math.min(entry.size, (Math.floor(at / piece) + 1) * piece);
    const headers = { ...TUS, 'Upload-Offset': at, 'Content-Type': 'application/offset+octet-stream' };
    const began = performance.now();
    let answer;
    try {
      answer = await request(entry, 'PATCH', entry.url, headers, entry.file.slice(at, end), signal);
    } catch (error) {
      if (error.status !== 409 || error.offset === null) throw error;
      // Someone else's request, or one of ours that was cut, brought more than we knew.
      at = Number(error.offset);
      acknowledge(at, 0);
      continue;
    }
    if (end - at >= LEAST) adapt(end - at, (performance.now() - began) / 1000);
    // A server that is about to stop takes less than it was sent.
    const now = Math.min(end, Number(answer.field('Upload-Offset') ?? end));
    if (now <= at) throw lost();
    acknowledge(now, now - at);
    at = now;
  }
  return stored(entry);
}

// Resolves to the object. `acknowledge(at, fresh)`: the server has `at` bytes for certain, `fresh`
// of them came just now. Rejects with a Problem, with Exists, or with the signal's reason.
export async function send(entry, signal, acknowledge) {
  const probe = entry.file.slice(0, 1);
  // A file that was changed, moved or deleted meanwhile can no longer be read.
  await probe.arrayBuffer().catch(() => {
    throw new Problem('The file can no longer be read: it was changed, moved or deleted.', { status: 400, code: 'unreadable' });
  });
  if (entry.size > SMALL) return resumable(entry, signal, acknowledge);
  const object = await put(entry, signal, acknowledge);
  acknowledge(entry.size, entry.size - entry.sent);
  return object;
}

// Tells the server to give up what it has.
export function giveUp(entry) {
  if (entry.url) fetch(entry.url, { method: 'DELETE', headers: TUS, keepalive: true }).catch(() => {});
}
