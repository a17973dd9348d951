// The program's HTTP interface, but for sending files (send.js). Every address is relative, so the
// page works below any path.

// A failure with a text for people: the server's own `detail` where it gave one.
export class Problem extends Error {
  constructor(text, { status = 0, code = '', wait = null, id = null } = {}) {
    super(text);
    // `status` 0: no answer came. `wait`: seconds after which to ask again. `id`: the request's, for
    // whoever reads the server's log.
    Object.assign(this, { status, code, wait, id });
  }
}

export const lost = () => new Problem('The connection to the server was lost.');

// What went wrong, by an answer: its status, its header fields by name, and its text.
export function problem(status, field, text) {
  // Retry-After is seconds or a date (RFC 9110 section 10.2.3).
  const after = field('Retry-After');
  const wait = after ? Number(after) || Math.max(0, (Date.parse(after) - Date.now()) / 1000) || null : null;
  const about = { status, wait, id: field('X-Request-Id') };
  try {
    const { detail, title, code } = JSON.parse(text);
    const words = detail || title;
    if (words && typeof words === 'string') return new Problem(words.slice(0, 500), { ...about, code });
  } catch {
    // Not ours: a proxy's page, say.
  }
  return new Problem(`The server answered with status ${status}.`, about);
}

export const passing = (status) => [408, 423, 425, 429, 500, 502, 503, 504].includes(status);

// Seconds before the next try: what the server asked for, or longer each time, and never all
// clients at once. An hour is the most: a longer timer would end at once.
export function backoff(tries, wait) {
  const most = Math.min(60, 2 ** tries);
  return Math.min(wait ?? most / 2, 3600) + Math.random() * (most / 2);
}

export function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener('abort', stop); resolve(); }, seconds * 1000);
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}

// Browsers fold `.` and `..` out of a path, and proxies merge `//`.
function fitsPath(key) {
  return key.split('/').every((segment) => !['', '.', '..'].includes(segment));
}

const inPath = (key) => key.split('/').map(encodeURIComponent).join('/');

// Where the page shows a folder (its key ends with a slash), or an object's details.
export const place = (key) => `#/${inPath(key)}`;

// An object's address, with parameters where given.
export function link(key, parameters = '') {
  return fitsPath(key)
    ? `files/${inPath(key)}${parameters && `?${parameters}`}`
    : `files?key=${encodeURIComponent(key)}${parameters && `&${parameters}`}`;
}

// One request; those that change nothing are tried again while the trouble is a passing one.
export async function ask(address, { signal, ...options } = {}) {
  const safe = ['GET', 'HEAD'].includes(options.method ?? 'GET');
  for (let tries = 0; ; tries += 1) {
    let answer;
    let text;
    let failure;
    try {
      answer = await fetch(address, {
        ...options, signal, cache: 'no-store', headers: { Accept: 'application/json', ...options.headers },
      });
      text = await answer.text();
      if (answer.ok) return { answer, text };
      failure = problem(answer.status, (name) => answer.headers.get(name), text);
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      failure = lost();
    }
    if (!safe || tries >= 2 || !passing(failure.status)) throw failure;
    await sleep(backoff(tries, failure.wait), signal);
  }
}

async function json(address, options) {
  const { text } = await ask(address, options);
  try {
    return text && JSON.parse(text);
  } catch {
    throw new Problem('The server answered with something that is not JSON.');
  }
}

// {files, prefixes, next_cursor}. Without a delimiter everything below the prefix.
export function list({ prefix = '', delimiter = '/', limit = 1000, cursor, signal }) {
  const query = new URLSearchParams({ prefix, limit });
  if (delimiter) query.set('delimiter', delimiter);
  if (cursor) query.set('cursor', cursor);
  return json(`files?${query}`, { signal });
}

// All keys below a prefix, page by page.
export async function* below(prefix, signal) {
  for (let cursor; ;) {
    const page = await list({ prefix, delimiter: '', cursor, signal });
    yield page.files.map((file) => file.key);
    cursor = page.next_cursor;
    if (!cursor) return;
  }
}

// Whether an object is there. Asked of the listing, where no is an answer as good as yes: what a
// HEAD does not find, browsers report as an error.
export async function exists(key, signal) {
  const { files } = await list({ prefix: key, delimiter: '', limit: 1, signal });
  return files[0]?.key === key;
}

// The header fields of an object, or null where there is none.
export async function head(key, { parameters, signal } = {}) {
  try {
    return (await ask(link(key, parameters), { method: 'HEAD', signal })).answer.headers;
  } catch (error) {
    if (error.status === 404) return null;
    // A HEAD has no body to say why.
    throw error;
  }
}

// Newest first; none where the store keeps none, or never had the object. `truncated` where there
// are more than are told.
export async function versions(key) {
  try {
    const { versions: all, truncated } = await json(link(key, 'versions'));
    return Object.assign(all, { truncated });
  } catch (error) {
    if (error.status === 404) return [];
    throw error;
  }
}

export const remove = (key, version) => json(
  link(key, version ? `version_id=${encodeURIComponent(version)}` : ''),
  { method: 'DELETE' },
);

// [{key, status, code}]; 1,000 keys at most.
export async function removeAll(keys, signal) {
  const headers = { 'Content-Type': 'application/json' };
  return (await json('files?delete', { method: 'POST', body: JSON.stringify({ keys }), headers, signal })).results;
}

const post = (key, parameters, options) => json(link(key, parameters), { method: 'POST', ...options });

export const restore = (key, version) => post(key, `restore=${encodeURIComponent(version)}`);

// Only where nothing has the new name, unless it may be replaced.
export const move = (key, to, replace, signal) => post(
  key,
  `move_to=${encodeURIComponent(to)}`,
  { signal, headers: replace ? {} : { 'If-None-Match': '*' } },
);

// {url, expires_at}
export const share = (key, seconds) => post(key, `share&expires_in=${seconds}`);

// Other windows on the same page see at once what was done in this one.
const windows = new BroadcastChannel(`changes ${new URL('.', document.baseURI).pathname}`);
const tell = (detail) => dispatchEvent(new CustomEvent('changed', { detail }));
windows.addEventListener('message', ({ data }) => tell(data));

// Tells all views that objects have gone (keys, and prefixes for whole folders) or come.
export function changed({ gone = [], came = [] }) {
  tell({ gone, came });
  windows.postMessage({ gone, came });
}
