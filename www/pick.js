// Where files come from: pickers, drops of files and of whole folders, the clipboard. Each is
// given on as {path, file}, the path keeping a folder's structure; what becomes of them is the
// queue's business.

// Files given on at a time, so that a large folder begins to go up while it is still being read.
const BATCH = 200;

// A file's name without a path, as the server cuts a form's.
export const ownName = (file) => file.name.split(/[\\/]/).pop();

const named = (file) => ({ path: file.webkitRelativePath || ownName(file), file });

// The files below a dropped folder. One that cannot be read has no file; the others are uploaded
// all the same.
async function* below(entry) {
  const path = entry.fullPath.replace(/^\//, '');
  try {
    if (entry.isFile) {
      yield { path, file: await new Promise((resolve, reject) => { entry.file(resolve, reject); }) };
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A reader gives a hundred entries at a time, and none at the end.
      const entries = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
      if (entries.length === 0) return;
      for (const each of entries) yield* below(each);
    }
  } catch {
    yield { path, file: null };
  }
}

async function dropped({ items, files }, add) {
  // The items are gone after the first await, so what is needed of them is taken at once.
  const plain = [...files].map(named);
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) {
    if (plain.length > 0) add(plain);
    return;
  }
  let batch = [];
  for (const entry of entries) {
    for await (const found of below(entry)) {
      batch.push(found);
      if (batch.length === BATCH) {
        add(batch);
        batch = [];
      }
    }
  }
  if (batch.length > 0) add(batch);
}

// The clipboard calls every picture image.png: a name of its own keeps each.
function pasted(file) {
  if (file.name !== 'image.png') return named(file);
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000);
  const name = `Pasted ${now.toISOString().slice(0, 19).replace('T', ' ').replace(/:/g, '.')}.png`;
  return { path: name, file };
}

const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');

// Calls `begin` whenever something is chosen, dropped or pasted, and what it gives with the files;
// `over` when files are held over the page.
export function watch(begin, over) {
  for (const input of document.querySelectorAll('#file, #folder')) {
    input.addEventListener('change', () => {
      if (input.files.length > 0) begin()([...input.files].map(named));
      // So that the same file can be chosen again.
      input.value = '';
    });
  }
  document.querySelector('#upload').addEventListener('submit', (event) => event.preventDefault());
  // A drop beside a zone would make the browser leave the page: the whole window takes files.
  for (const type of ['dragenter', 'dragover']) {
    addEventListener(type, (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
      over(true);
    });
  }
  addEventListener('dragleave', (event) => { if (event.relatedTarget === null) over(false); });
  addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over(false);
    dropped(event.dataTransfer, begin());
  });
  addEventListener('paste', (event) => {
    const files = [...event.clipboardData?.files ?? []];
    if (files.length === 0 || event.target.closest?.('input, textarea')) return;
    event.preventDefault();
    begin()(files.map(pasted));
  });
}

// One file, for an upload that lost its own: calls back with it, or not at all.
export function chooseOne(callback) {
  const input = Object.assign(document.createElement('input'), { type: 'file' });
  input.addEventListener('change', () => { if (input.files[0]) callback(input.files[0]); });
  input.click();
}
