// The program's HTTP interface. Every address is relative, so the page works below any path.

// A failure with a text for people: the server's own `detail` where it gave one.
export class Problem extends Error {}

const LOST = 'The connection to the server was lost.';

function problem(status, text) {
  try {
    const { detail, title } = JSON.parse(text);
    if (detail || title) return new Problem(detail || title);
  } catch {
    // Not ours: a proxy's page, say.
  }
  return new Problem(`The server answered with status ${status}.`);
}

// Browsers fold `.` and `..` out of a path, and proxies merge `//`.
function fitsPath(key) {
  return key.split('/').every((segment) => !['', '.', '..'].includes(segment));
}

export function link(key) {
  return fitsPath(key)
    ? `files/${key.split('/').map(encodeURIComponent).join('/')}`
    : `files?key=${encodeURIComponent(key)}`;
}

async function ask(address, options) {
  let answer;
  let text;
  try {
    answer = await fetch(address, options);
    text = await answer.text();
  } catch {
    throw new Problem(LOST);
  }
  if (!answer.ok) throw problem(answer.status, text);
  if (answer.status === 204) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('The server answered with something that is not JSON.');
  }
}

// {files, prefixes, next_cursor}
export function list(cursor) {
  const query = new URLSearchParams({ limit: 100 });
  if (cursor) query.set('cursor', cursor);
  return ask(`files?${query}`, { headers: { Accept: 'application/json' }, cache: 'no-store' });
}

export async function remove(key) {
  await ask(link(key), { method: 'DELETE' });
}

// Stores a file. XMLHttpRequest, because fetch does not tell how much was sent.
// Resolves to true where an earlier file was replaced, rejects with a Problem or an AbortError.
export function put(key, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', link(key));
    request.setRequestHeader('Accept', 'application/json');
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => {
      if (request.status === 200 || request.status === 201) resolve(request.status === 200);
      else reject(problem(request.status, request.responseText));
    };
    request.onerror = () => reject(new Problem(LOST));
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
