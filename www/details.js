// One object in a dialog: what it looks like, what is known of it, its versions. Whatever a file
// is, nothing of it runs here: it is an image, a player, a frame without script, or plain text.

import * as actions from './actions.js';
import { changed, head, link, remove, restore, versions } from './api.js';
import { sure } from './dialog.js';
import { baseName, bytes, date, element, fullDate, name, plain, size } from './format.js';

// Bytes of a text that are fetched to be looked at.
const LOOK = 65_536;
const TEXT = /^(text\/|application\/(json|xml|javascript|x-javascript|x-sh|x-yaml|yaml|toml|sql|x-ndjson)\b|.*\+(json|xml)\b)/;
const NAMED_TEXT = /\.(cfg|conf|csv|env|ini|jsonl?|log|md|rs|sh|sql|toml|tsv|txt|ya?ml)$/i;

let dialog = null;

export function close() {
  dialog?.close();
}

// False where there is no such object. `closed` is called when the dialog is left. It does not open
// where it is no longer `wanted` when the answer is there.
export async function open(key, closed, wanted) {
  close();
  let fields;
  try {
    fields = await head(key);
    if (!fields) return false;
  } catch (error) {
    fields = error;
  }
  if (!wanted()) return true;
  const box = element('dialog', { id: 'details' });
  dialog = box;
  const heading = element('h2', { id: 'details-title', title: plain(key), ariaLabel: plain(baseName(key)) }, name(baseName(key)));
  box.setAttribute('aria-labelledby', heading.id);
  const leave = button('Close', () => box.close(), 'quiet');
  const preview = element('div', { id: 'preview' });
  const facts = element('dl', { id: 'facts' });
  const history = element('section', { id: 'versions', ariaLabel: 'Versions' });
  const act = (action) => () => actions[action]([{ key }], () => {});
  const copy = button('Copy link', async () => {
    if (await actions.copyLink([{ key }])) copy.textContent = 'Copied';
  });
  const leaving = (action) => () => { box.close(); actions[action]([{ key }], () => document.querySelector('#files').focus()); };
  const bar = element('div', { className: 'buttons' }, button('Download', act('download'), 'primary'), copy, button('Share', act('share')),
    button('Rename or move', leaving('move')), button('Delete', leaving('remove'), 'danger'));
  box.append(element('div', { className: 'head' }, heading, leave), element('div', { className: 'body' }, preview, element('div', { className: 'about' }, bar, facts, history)));
  box.addEventListener('close', () => {
    // A player would go on.
    box.remove();
    if (dialog === box) {
      dialog = null;
      closed?.();
    }
  });
  // A click beside it.
  box.addEventListener('click', (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  if (fields instanceof Error) {
    preview.append(note(fields.message));
    return true;
  }
  describe(facts, key, fields);
  look(preview, key, fields).catch((error) => preview.replaceChildren(note(error.message)));
  tellVersions(history, key);
  return true;
}

function button(label, action, className = '') {
  const made = element('button', { type: 'button', textContent: label, className });
  made.addEventListener('click', action);
  return made;
}

const note = (textContent) => element('p', { className: 'note', textContent });

function describe(facts, key, fields) {
  const length = Number(fields.get('Content-Length'));
  const known = [
    ['Path', plain(key)],
    ['Size', length < 1000 ? bytes(length) : `${size(length)} (${bytes(length)})`],
    ['Type', fields.get('Content-Type')],
    ['Modified', fullDate(fields.get('Last-Modified'))],
    ['Language', fields.get('Content-Language')],
    ['Encoding', fields.get('Content-Encoding')],
    ['ETag', fields.get('ETag')?.replace(/"/g, '')],
    ['Version', fields.get('X-Amz-Version-Id')],
  ];
  for (const [field, value] of fields) {
    if (field.startsWith('x-amz-meta-')) known.push([field.slice('x-amz-meta-'.length), value]);
  }
  for (const [term, value] of known) {
    if (value) facts.append(element('dt', { textContent: term }), element('dd', {}, element('bdi', { textContent: value })));
  }
}

async function look(preview, key, fields) {
  const type = (fields.get('Content-Type') ?? '').toLowerCase();
  const [family] = type.split('/');
  const address = link(key, 'inline');
  const failed = () => preview.replaceChildren(note('This browser cannot show it. Download it to open it.'));
  const named = plain(baseName(key));
  if (Number(fields.get('Content-Length')) === 0) {
    preview.append(note('The file is empty.'));
  } else if (family === 'image') {
    preview.append(element('img', { alt: `Preview of ${named}`, onerror: failed, src: address }));
  } else if (family === 'audio' || family === 'video') {
    preview.append(element(family, { controls: true, preload: 'metadata', ariaLabel: named, onerror: failed, src: address }));
  } else if (/^application\/pdf(;\s*charset=[\w-]+)?$/.test(type)) {
    // With other parameters the server has it downloaded.
    if (!navigator.pdfViewerEnabled) return failed();
    preview.append(element('iframe', { title: `Preview of ${named}`, src: address }));
  } else if (TEXT.test(type) || NAMED_TEXT.test(key)) {
    await lookAtText(preview, key, type, Number(fields.get('Content-Length')));
  } else {
    preview.append(note('There is no preview of this kind of file.'));
  }
  return null;
}

async function lookAtText(preview, key, type, length) {
  const answer = await fetch(link(key), { headers: { Range: `bytes=0-${LOOK - 1}` }, cache: 'no-store' });
  if (!answer.ok) return preview.append(note(`The server answered with status ${answer.status}.`));
  const part = await answer.arrayBuffer();
  const charset = /charset="?([\w-]+)/.exec(type)?.[1] ?? 'utf-8';
  let text;
  try {
    text = new TextDecoder(charset).decode(part);
  } catch {
    text = new TextDecoder().decode(part);
  }
  if (text.includes('\0')) return preview.append(note('There is no preview of this kind of file.'));
  preview.append(element('pre', { textContent: text, tabIndex: 0, role: 'region', ariaLabel: `Text of ${plain(baseName(key))}` }));
  if (length > LOOK) preview.append(element('p', { className: 'hint', textContent: `The first ${size(LOOK)} of ${size(length)}.` }));
  return null;
}

async function tellVersions(section, key) {
  section.replaceChildren(element('h3', { textContent: 'Versions' }));
  let all;
  try {
    all = await versions(key);
  } catch (error) {
    section.append(note(error.message));
    return;
  }
  if (!all.some((version) => version.version_id)) {
    section.append(element('p', { className: 'hint', textContent: 'The store keeps no versions of it.' }));
    return;
  }
  section.append(element('ul', { ariaLabel: 'Versions' }, ...all.map((version) => row(section, key, version))));
  if (all.truncated) section.append(element('p', { className: 'hint', textContent: 'There are older versions than these.' }));
}

function row(section, key, { version_id: id, last_modified: modified, size: length, is_latest: latest, is_delete_marker: marker }) {
  const when = date(modified);
  const state = latest ? (marker ? 'Deleted' : 'Current') : marker ? 'Deleted' : '';
  const made = element('li', {}, element('span', {}, element('time', { textContent: when, dateTime: modified, title: fullDate(modified) }),
    element('small', { textContent: [marker ? '' : size(length), state].filter(Boolean).join(', ') })));
  const trouble = (error) => made.append(element('p', { className: 'error', role: 'alert', textContent: error.message }));
  const again = async (work) => {
    made.inert = true;
    try {
      await work();
      await tellVersions(section, key);
      section.querySelector('button, a')?.focus();
    } catch (error) {
      trouble(error);
    }
    made.inert = false;
  };
  if (!marker) made.append(element('a', { className: 'button quiet', textContent: 'Download', ariaLabel: `Download version of ${when}`, href: link(key, `version_id=${encodeURIComponent(id)}`), download: '' }));
  if (!marker && !latest) {
    const back = button('Restore', () => again(async () => changed({ came: [await restore(key, id)] })), 'quiet');
    back.ariaLabel = `Restore version of ${when}`;
    made.append(back);
  }
  if (!latest) {
    const drop = button('Delete', async () => {
      if (await sure('Delete this version?', `The version of ${when} cannot be brought back.`)) again(() => remove(key, id));
    }, 'quiet danger');
    drop.ariaLabel = `Delete version of ${when}`;
    made.append(drop);
  }
  return made;
}
