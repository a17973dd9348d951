// Wires the page: what is chosen or dropped is uploaded, and the list follows.
// Without this the form still works.

import { load } from './files.js';
import { add, onIdle } from './upload.js';

const form = document.querySelector('#upload');
const input = document.querySelector('#file');
const zone = document.querySelector('#zone');

// A file's name without a path, as the server cuts a form's.
function named(file) {
  return { key: file.name.split(/[\\/]/).pop(), file };
}

// The files below a dropped folder keep their path within it. One that cannot be read has no
// file; the others are uploaded all the same.
async function below(entry, found) {
  const key = entry.fullPath.replace(/^\//, '');
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
      found.push({ key, file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A reader gives a hundred entries at a time, and none at the end.
      const entries = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
      if (entries.length === 0) return;
      for (const each of entries) await below(each, found);
    }
  } catch {
    found.push({ key, file: null });
  }
}

async function dropped({ items, files }) {
  // The items are gone after the first await, so what is needed of them is taken at once.
  const plain = [...files].map(named);
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = [];
  for (const entry of entries) await below(entry, found);
  return found;
}

function holdsFiles(event) {
  return event.dataTransfer?.types.includes('Files');
}

// A drop beside the zone would make the browser leave the page: the whole window takes files.
for (const type of ['dragenter', 'dragover']) {
  addEventListener(type, (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    zone.classList.add('over');
  });
}
addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) zone.classList.remove('over');
});
addEventListener('drop', async (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  zone.classList.remove('over');
  add(await dropped(event.dataTransfer));
});

function chosen() {
  add([...input.files].map(named));
  // So that the same file can be chosen again.
  form.reset();
}
input.addEventListener('change', chosen);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  chosen();
});

document.documentElement.classList.add('js');
onIdle(load);
load();
