// Wires the page. The list comes first; the rest of the modules are already on their way, and are
// taken up once it stands. Without script the form still works, and the server lists.

import { folder, start } from './files.js';
import { plain } from './format.js';

const zone = document.querySelector('#zone');
const curtain = document.querySelector('#drop');

function over(is) {
  zone.classList.toggle('over', is);
  curtain.hidden = !is;
  curtain.firstChild.textContent = `Drop to upload to ${plain(folder()) || 'All files'}`;
}

start();

const [{ watch }, { add, recover }] = await Promise.all([import('./pick.js'), import('./uploads.js')]);
// Where files go is what was open when they were dropped, however long a folder of them takes to be
// read; and what is answered for all of them is for what came with them.
watch(() => {
  const to = folder();
  const batch = Symbol('batch');
  return (files) => add(files, to, batch);
}, over);
recover();
