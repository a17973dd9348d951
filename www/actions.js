// What is done with objects that are there: downloaded, deleted and brought back, renamed, moved,
// linked to and shared. Each takes items {key, folder} and `back`, which returns the focus.

import { below, changed, link, list, move as moveOne, place, problem, remove as removeOne, removeAll, share as shareOne, versions } from './api.js';
import * as dialog from './dialog.js';
import { baseName, count, element, fullDate, number, plain, shortName } from './format.js';

// Keys in one request, and keys that an Undo remembers: of so many also which marker is its own.
const BATCH = 1000;
const REMEMBERED = 10_000;
const KNOWN = 100;
// Items that are looked at for what the store keeps.
const SAMPLE = 8;
// Requests at once, where each is for one object.
const AT_ONCE = 4;

const short = (key) => `“${shortName(key)}”`;
const what = (items) => (items.length === 1 ? short(items[0].key) : count(items.length, 'item'));
const absolute = (address) => new URL(address, document.baseURI).href;

export function menu(items, where, point, back) {
  const [item] = items;
  const single = items.length === 1;
  const run = (action) => () => action(items, back);
  const entries = [];
  if (single) {
    entries.push(item.folder ? ['Open', run(open)] : ['Details', run(open)]);
    entries.push([item.folder ? 'Download as zip' : 'Download', run(download)], ['Copy link', run(copyLink)]);
    if (!item.folder) entries.push(['Share', run(share)]);
  }
  entries.push(['Rename or move', run(move)], ['Delete', run(remove)]);
  dialog.menu(entries, where, point, back);
}

function open([{ key }]) {
  location.hash = place(key);
}

// Browsers do not say why a download was refused. Rights are looked at before anything else: what
// takes longer is left to the browser.
async function refusal(address) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 1000);
  try {
    const answer = await fetch(address, { signal: stop.signal, cache: 'no-store' });
    return answer.ok ? '' : problem(answer.status, (name) => answer.headers.get(name), await answer.text()).message;
  } catch {
    return '';
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

export async function download([{ key, folder }]) {
  const address = folder ? `files?${new URLSearchParams({ prefix: key })}&zip` : link(key);
  const refused = folder && await refusal(address);
  if (refused) dialog.toast(refused);
  else element('a', { href: address, download: '' }).click();
}

export async function copyLink([{ key, folder }]) {
  const copied = await dialog.copy(absolute(folder ? place(key) : link(key)));
  if (copied) dialog.toast(`Copied the link to ${short(key)}`);
  return copied;
}

// All keys of items, a thousand at a time.
async function* keysOf(items, signal) {
  const files = items.filter((item) => !item.folder).map((item) => item.key);
  while (files.length > 0) yield files.splice(0, BATCH);
  for (const { key } of items.filter((item) => item.folder)) yield* below(key, signal);
}

async function atOnce(list, work) {
  const left = [...list];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left.length > 0) await work(left.shift());
  }));
}

// Runs something long with a toast that counts, and can be stopped.
async function long(doing, work) {
  const stop = new AbortController();
  const tell = (done) => dialog.toast(`${doing} ${number(done)}…`, { label: 'Stop', run: () => stop.abort() });
  try {
    await work(stop.signal, tell);
    return stop.signal.aborted ? 'Stopped. ' : '';
  } catch (error) {
    return error.name === 'AbortError' ? 'Stopped. ' : `${error.message} `;
  }
}

// Whether the store keeps what is deleted: of a folder, its first file. What is `already` deleted is
// noted by its marker.
async function keeps({ key, folder }, already) {
  try {
    const first = folder ? (await list({ prefix: key, delimiter: '', limit: 1 })).files[0].key : key;
    const [newest] = await versions(first);
    if (newest?.is_delete_marker) already.add(newest.version_id);
    return Boolean(newest?.version_id) && newest.version_id !== 'null';
  } catch {
    return false;
  }
}

// Where versioning was suspended, or began late, some are kept and some are not.
async function keepsAll(items, already) {
  const step = Math.ceil(items.length / SAMPLE);
  const kept = await Promise.all(items.filter((_, at) => at % step === 0).map((item) => keeps(item, already)));
  return kept.every(Boolean);
}

// A second press while the first still works would be for the same rows.
let removing = false;
export async function remove(items, back) {
  if (removing) return;
  removing = true;
  try {
    await removeNow(items, back);
  } finally {
    removing = false;
  }
}

async function removeNow(items, back) {
  const folders = items.some((item) => item.folder);
  const already = new Set();
  const kept = await keepsAll(items, already);
  if (folders || !kept) {
    const text = [folders && 'Everything in the folder goes, in all folders within it.', !kept && 'This cannot be undone: the store keeps no versions.'];
    if (!await dialog.sure(`Delete ${what(items)}?`, text.filter(Boolean).join(' '))) return back();
  }
  const gone = [];
  let total = 0;
  let failed = 0;
  let why = '';
  const trouble = await long('Deleting', async (signal, tell) => {
    for await (const keys of keysOf(items, signal)) {
      if (total > 0 || folders) tell(total);
      const results = await removeAll(keys, signal);
      const done = results.filter((result) => result.status < 300).map((result) => result.key);
      failed += results.length - done.length;
      why = results.find((result) => result.status >= 300)?.code ?? why;
      total += done.length;
      if (gone.length < REMEMBERED) gone.push(...done);
      changed({ gone: done });
    }
  });
  // A folder is gone when nothing is left in it.
  if (!trouble && !failed) changed({ gone: items.filter((item) => item.folder).map((item) => item.key) });
  back();
  const name = items.length === 1 && !folders ? short(items[0].key) : count(total, 'file');
  const rest = failed ? ` ${count(failed, 'file')} could not be deleted (${why}).` : '';
  // Nobody waits for them to undo: only where it is not known whether there is anything to undo.
  const markers = markersOf(gone.slice(0, KNOWN), already);
  const undo = gone.length > 0 && (kept || [...(await markers).values()].some(Boolean));
  const run = async () => bringBack(gone, await markers, total, back);
  const did = total > 0 || !(trouble || failed) ? `Deleted ${name}.` : '';
  dialog.toast(`${trouble}${did}${rest}`.trim(), undo ? { label: 'Undo', run } : null);
}

// Whether a delete is what hides an object: a marker on a marker hides nothing.
const hides = ([marker, before]) => Boolean(marker?.is_delete_marker && before && !before.is_delete_marker);

// By key the marker that a delete has just made, or null where none brings anything back.
async function markersOf(keys, already) {
  const made = new Map();
  await atOnce(keys, async (key) => {
    const all = await versions(key).catch(() => []);
    made.set(key, hides(all) && !already.has(all[0].version_id) ? all[0].version_id : null);
  });
  return made;
}

// Takes the delete marker off: what was below it is current again, with its own date. Where
// somebody has written meanwhile there is no marker on top, and what they wrote stays; so does a
// marker of somebody else's.
async function bringBack(keys, markers, total, back) {
  let done = 0;
  let failed = 0;
  let anew = 0;
  let other = 0;
  const trouble = await long('Bringing back', (signal, tell) => atOnce(keys, async (key) => {
    signal.throwIfAborted();
    if (done % 20 === 1) tell(done);
    try {
      const all = await versions(key);
      const [marker, before] = all;
      if (!marker?.is_delete_marker) {
        anew += 1;
        if (marker) changed({ came: [marker] });
        return;
      }
      if (!hides(all) || (markers.has(key) && markers.get(key) !== marker.version_id)) {
        other += 1;
        return;
      }
      await removeOne(key, marker.version_id);
      done += 1;
      changed({ came: [before] });
    } catch {
      failed += 1;
    }
  }));
  const missed = failed + total - keys.length;
  const those = (value) => (keys.length === 1 ? short(keys[0]) : count(value, 'file'));
  const are = (value) => `${those(value)} ${value === 1 ? 'is' : 'are'}`;
  const parts = [];
  if (done > 0) parts.push(`${are(done)} back.`);
  if (anew > 0) parts.push(`${are(anew)} there anew already, and stays so.`.replace(/are (.*)stays/, 'are $1stay'));
  if (other > 0) parts.push(`${those(other)} stayed deleted: somebody else deleted that too.`);
  if (missed > 0) parts.push(`${count(missed, 'file')} could not be brought back.`);
  dialog.toast(trouble + parts.join(' '));
  back();
}

export async function move(items, back) {
  const [item] = items;
  const single = items.length === 1;
  const input = element('input', {
    value: single ? item.key : item.key.slice(0, item.key.lastIndexOf('/', item.key.length - 2) + 1),
    spellcheck: false, autocomplete: 'off', required: single, dir: 'auto',
  });
  const hint = single ? 'Folders are made by naming them: reports/2026/name.pdf' : 'Empty is the top: All files';
  let job = null;
  const asked = dialog.ask({
    id: 'move',
    title: 'Rename or move',
    content: [dialog.field(single ? 'New path' : 'To folder', input), element('p', { className: 'hint', textContent: hint })],
    buttons: [dialog.CANCEL, { label: 'Move', value: 'move', kind: 'primary' }],
    check: async () => {
      const to = input.value.replace(/^\//, '');
      if (single && !item.folder) return moveFile(item.key, to.endsWith('/') ? to + baseName(item.key) : to);
      const folder = to === '' || to.endsWith('/') ? to : `${to}/`;
      const within = items.find((each) => each.folder && folder.startsWith(each.key));
      if (within) return `${short(within.key)} cannot be moved into itself.`;
      job = () => moveAll(items, single ? () => folder : (key) => folder + baseName(key), back);
      return null;
    },
  });
  // What is most often changed is the name, and of it not the end.
  const name = item.key.length - baseName(item.key).length;
  const dot = item.key.lastIndexOf('.');
  if (single) input.setSelectionRange(name, dot > name ? dot : item.key.length - (item.folder ? 1 : 0));
  await asked;
  back();
  await job?.();
}

// Null where it has been moved, else why not.
async function moveFile(key, to) {
  if (to === key) return null;
  try {
    let made;
    try {
      made = await moveOne(key, to);
    } catch (error) {
      if (error.status !== 412) throw error;
      const replace = await dialog.sure('This name exists already', `Replace ${short(to)}?`, 'Replace');
      if (!replace) return 'Choose another name.';
      made = await moveOne(key, to, true);
    }
    changed({ gone: [key], came: [made] });
    dialog.toast(`Moved to ${plain(to)}`);
    return null;
  } catch (error) {
    return error.message;
  }
}

async function moveAll(items, target, back) {
  let done = 0;
  let exist = 0;
  const failures = [];
  const markers = [];
  const one = async (key, to, signal) => {
    // A folder's own marker is no file that has a name to be moved to: it goes when all else has.
    if (key.endsWith('/')) markers.push(key);
    if (key === to || key.endsWith('/')) return;
    try {
      const made = await moveOne(key, to, false, signal);
      done += 1;
      changed({ gone: [key], came: [made] });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      if (error.status === 412) exist += 1;
      else failures.push(error.message);
    }
  };
  const trouble = await long('Moving', async (signal, tell) => {
    for (const item of items) {
      for await (const keys of keysOf([item], signal)) {
        await atOnce(keys, (key) => {
          signal.throwIfAborted();
          if (done % 20 === 0) tell(done);
          return one(key, target(item.key) + (item.folder ? key.slice(item.key.length) : ''), signal);
        });
      }
      if (item.folder && exist + failures.length === 0) {
        if (markers.length > 0) await removeAll(markers.splice(0), signal);
        changed({ gone: [item.key] });
      }
    }
  });
  const rest = exist ? ` ${count(exist, 'name')} existed there already and stayed where they were.` : '';
  const worst = failures.length ? ` ${count(failures.length, 'file')} could not be moved: ${failures[0]}` : '';
  dialog.toast(`${trouble}Moved ${count(done, 'file')}.${rest}${worst}`);
  back();
}

const SPANS = [[3600, '1 hour'], [86400, '1 day'], [604800, '7 days']];

export async function share([{ key }], back) {
  const span = element('select', {}, ...SPANS.map(([value, textContent]) => element('option', { value, textContent })));
  const text = element('p', { className: 'hint', textContent: 'Whoever has the link can read the file until then.' });
  let made = null;
  await dialog.ask({
    id: 'share',
    title: 'Share a link',
    content: [element('p', { className: 'subject', textContent: plain(baseName(key)) }), dialog.field('Valid for', span), text],
    buttons: [{ label: 'Close', value: '' }, { label: 'Create link', value: 'make', kind: 'primary' }],
    check: async (_, box) => {
      const button = box.querySelector('.primary');
      if (made) {
        if (await dialog.copy(made.url)) button.textContent = 'Copied';
        return '';
      }
      made = await shareOne(key, span.value);
      // The server knows by which host it was asked, not what is spoken in front of it.
      const url = new URL(made.url);
      if (url.host === location.host) made.url = url.href.replace(url.protocol, location.protocol);
      const shown = element('input', { value: made.url, readOnly: true, onfocus: () => shown.select() });
      span.closest('label').replaceWith(dialog.field('Link', shown));
      text.textContent = `Whoever has the link can read the file until ${fullDate(made.expires_at)}.`;
      button.textContent = 'Copy';
      setTimeout(() => shown.focus());
      return '';
    },
  });
  back?.();
}
