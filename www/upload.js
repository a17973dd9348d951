// The queue of uploads and its rows: three at once, each with its progress, its end, and what the
// server said where it failed.

import { put } from './api.js';
import { count, element, size } from './format.js';

const AT_ONCE = 3;

const rows = document.querySelector('#uploads');
const bar = document.querySelector('#uploads-bar');
const status = document.querySelector('#uploads-status');
const clear = document.querySelector('#uploads-clear');

const waiting = [];
const tally = { sending: 0, stored: 0, failed: 0 };
let whenIdle = () => {};

// Calls back each time the queue has run empty.
export function onIdle(callback) {
  whenIdle = callback;
}

// Queues files: [{key, file}].
export function add(files) {
  if (!busy()) Object.assign(tally, { stored: 0, failed: 0 });
  for (const { key, file } of files) {
    if (file) {
      waiting.push(row(key, file));
    } else {
      tally.failed += 1;
      end({ ...row(key, new File([], key)), file: null }, 'failed', 'It cannot be read.');
    }
  }
  next();
}

function busy() {
  return tally.sending + waiting.length > 0;
}

function next() {
  while (tally.sending < AT_ONCE && waiting.length > 0) send(waiting.shift());
  const left = tally.sending + waiting.length;
  const parts = [];
  if (left) parts.push(`Uploading ${count(left, 'file')}`);
  if (tally.stored) parts.push(`${count(tally.stored, 'file')} stored`);
  if (tally.failed) parts.push(`${tally.failed} not stored`);
  status.textContent = parts.join(', ');
  rows.hidden = rows.childElementCount === 0;
  bar.hidden = rows.hidden;
  clear.hidden = !rows.querySelector('.ended');
}

function row(key, file) {
  const item = element('li', {});
  const state = element('small', { textContent: 'Waiting' });
  const meter = element('progress', { max: file.size || 1, value: 0, ariaLabel: `Upload of ${key}` });
  const button = element('button', { type: 'button', className: 'quiet' });
  item.append(element('bdi', { textContent: key }), meter, state, button);
  rows.append(item);

  const upload = { key, file, item, state, meter, button };
  offer(upload, 'Cancel', () => {
    waiting.splice(waiting.indexOf(upload), 1);
    end(upload, 'cancelled', 'Cancelled');
    next();
  });
  return upload;
}

function offer({ key, button }, label, action) {
  button.textContent = label;
  button.ariaLabel = `${label} ${key}`;
  button.onclick = action;
}

async function send(upload) {
  const { key, file, state, meter } = upload;
  const cancel = new AbortController();
  offer(upload, 'Cancel', () => cancel.abort());
  const total = size(file.size);
  const progress = (sent) => {
    meter.value = sent;
    // All of it is sent, and not yet durable: the answer says when it is.
    state.textContent = sent < file.size ? `${size(sent)} of ${total}` : `${total}, storing`;
  };
  tally.sending += 1;
  progress(0);
  try {
    const replaced = await put(key, file, progress, cancel.signal);
    tally.stored += 1;
    end(upload, 'stored', `Stored${replaced ? ' (replaced)' : ''}, ${total}`);
  } catch (error) {
    if (error.name === 'AbortError') {
      end(upload, 'cancelled', 'Cancelled');
    } else {
      tally.failed += 1;
      end(upload, 'failed', error.message);
    }
  }
  tally.sending -= 1;
  next();
  if (!busy()) whenIdle();
}

function end(upload, kind, text) {
  const { item, state, meter, button } = upload;
  item.className = `ended ${kind}`;
  state.textContent = text;
  meter.hidden = true;
  // Without a file there is nothing to try again.
  if (kind === 'stored' || !upload.file) {
    button.hidden = true;
    return;
  }
  offer(upload, 'Retry', () => {
    if (kind === 'failed') tally.failed = Math.max(0, tally.failed - 1);
    item.remove();
    waiting.push(row(upload.key, upload.file));
    next();
  });
}

clear.addEventListener('click', () => {
  rows.querySelectorAll('.ended').forEach((item) => item.remove());
  if (!busy()) Object.assign(tally, { stored: 0, failed: 0 });
  next();
  document.querySelector('#file').focus();
});

// Leaving the page would cut what is still on its way.
addEventListener('beforeunload', (event) => {
  if (busy()) event.preventDefault();
});
