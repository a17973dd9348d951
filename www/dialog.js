// What comes over the page: dialogs, the toast with its one button, the menu. What they are asked
// for is for their callers.

import { element } from './format.js';

// A modal dialog of this content, and of buttons [{label, value, kind}]; Escape is the value ''.
// `check(value, dialog)` may keep the dialog by a text, which is shown.
export function ask({ id, title, content = [], buttons, check }) {
  const heading = element('h2', { id: `${id}-title`, textContent: title });
  const trouble = element('p', { className: 'error', role: 'alert' });
  const row = element('div', { className: 'buttons' }, ...buttons.map(({ label, value, kind = '' }) => (
    element('button', { value, className: kind, textContent: label }))));
  const form = element('form', { method: 'dialog' }, heading, ...content, trouble, row);
  const dialog = element('dialog', { id }, form);
  dialog.setAttribute('aria-labelledby', heading.id);
  document.body.append(dialog);
  return new Promise((resolve) => {
    // Enter in a field is the main button, wherever it stands.
    form.addEventListener('keydown', (event) => {
      const main = row.querySelector('.primary, .danger');
      if (event.key !== 'Enter' || !main || !event.target.matches('input')) return;
      event.preventDefault();
      form.requestSubmit(main);
    });
    form.addEventListener('submit', async (event) => {
      const { value } = event.submitter ?? row.lastElementChild;
      if (!check || value === '') return;
      event.preventDefault();
      row.inert = true;
      trouble.textContent = '';
      const refused = await check(value, dialog).catch((error) => error.message);
      row.inert = false;
      if (refused == null) dialog.close(value);
      else trouble.textContent = refused;
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
    dialog.querySelector('input:not([type="checkbox"]), select, .primary, .danger')?.focus();
  });
}

export const CANCEL = { label: 'Cancel', value: '' };

export async function sure(title, text, label = 'Delete') {
  const value = await ask({
    id: 'confirm', title, content: [element('p', { textContent: text })],
    buttons: [CANCEL, { label, value: 'yes', kind: 'danger' }],
  });
  return value === 'yes';
}

// A field with its label.
export function field(label, control) {
  return element('label', { className: 'field' }, element('span', { textContent: label }), control);
}

const toastBox = document.querySelector('#toast');
const toastText = document.querySelector('#toast-text');
const button = document.querySelector('#undo');
let run = null;

// Says what was done, and offers one thing about it: {label, run}. It stays until it is dismissed:
// nobody has to be quick.
export function toast(text, offer) {
  run = offer?.run ?? null;
  button.hidden = !run;
  button.textContent = offer?.label ?? '';
  if (!toastBox.matches(':popover-open')) toastBox.showPopover();
  toastText.textContent = text;
}

export function endToast() {
  run = null;
  if (toastBox.contains(document.activeElement)) document.querySelector('#files').focus({ preventScroll: true });
  if (toastBox.matches(':popover-open')) toastBox.hidePopover();
}

function take() {
  const what = run;
  endToast();
  what?.();
}
button.addEventListener('click', take);
document.querySelector('#toast-close').addEventListener('click', endToast);
addEventListener('keydown', (event) => {
  if (event.key !== 'z' || !(event.ctrlKey || event.metaKey) || event.shiftKey || !run) return;
  if (button.textContent !== 'Undo' || event.target.closest?.('input, textarea, dialog')) return;
  event.preventDefault();
  take();
});

const menuBox = document.querySelector('#menu');
let menuBack = () => {};

// A menu of [[label, action]] at an element, or at a point {clientX, clientY}.
export function menu(entries, where, point, back) {
  menuBack = back;
  menuBox.replaceChildren(...entries.map(([label, action]) => {
    const item = element('button', { type: 'button', role: 'menuitem', textContent: label, tabIndex: -1 });
    item.addEventListener('click', () => { menuBox.hidePopover(); action(); });
    return item;
  }));
  menuBox.showPopover();
  const from = where.getBoundingClientRect();
  const { width, height } = menuBox.getBoundingClientRect();
  const x = point ? point.clientX : from.right - width;
  const below = point ? point.clientY : from.bottom;
  const y = below + height < innerHeight ? below : Math.max(8, (point ? below : from.top) - height);
  menuBox.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  menuBox.style.top = `${y}px`;
  menuBox.firstElementChild.focus();
}

menuBox.addEventListener('keydown', (event) => {
  const all = [...menuBox.children];
  const now = all.indexOf(document.activeElement);
  const typed = event.key.length === 1 && all.find((item, index) => (
    index !== now && item.textContent.toLowerCase().startsWith(event.key.toLowerCase())));
  const to = {
    ArrowDown: all[(now + 1) % all.length], ArrowUp: all.at(now - 1), Home: all[0], End: all.at(-1),
  }[event.key] ?? typed;
  if (event.key === 'Tab' || event.key === 'Escape') {
    menuBox.hidePopover();
    menuBack();
  } else if (to) {
    to.focus();
  } else {
    return;
  }
  event.preventDefault();
});
addEventListener('scroll', () => { if (menuBox.matches(':popover-open')) menuBox.hidePopover(); }, { passive: true });

// Puts a link into the clipboard. Where a page may not (plain HTTP), by the old command, and where
// that fails too, the link is shown to be copied by hand. True where it has been copied.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed, or no such thing.
  }
  const input = element('textarea', { value: text, className: 'unseen', ariaLabel: 'Link' });
  const back = document.activeElement;
  [...document.querySelectorAll('dialog[open]'), document.body].findLast((at) => at.contains(back)).append(input);
  input.select();
  const copied = document.execCommand('copy');
  input.remove();
  back?.focus?.({ preventScroll: true });
  if (copied) return true;
  const shown = element('input', { value: text, readOnly: true, onfocus: () => shown.select() });
  await ask({ id: 'copy', title: 'Copy this link', content: [field('Link', shown)], buttons: [{ label: 'Close', value: '' }] });
  return false;
}
