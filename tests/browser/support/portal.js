// The page as people see it: where things are on it, by the names that a screen reader hears.

import { until } from './until.js';

// A name as the rows show it is also looked for as a whole, so that `a` does not find `aa`.
const exact = true;

export class Portal {
  constructor(page, origin) {
    this.page = page;
    this.origin = origin;
    // The queue.
    this.queue = page.getByRole('region', { name: 'Uploads' });
    this.summary = page.locator('#queue-summary');
    this.overall = page.getByRole('progressbar', { name: 'All uploads' });
    // The list.
    this.files = page.getByRole('grid');
    this.status = page.locator('#files-status');
    this.crumbs = page.getByRole('navigation', { name: 'Folders' });
    this.filter = page.getByRole('searchbox', { name: 'Name begins with' });
    this.selected = page.locator('#selected');
    this.selection = page.getByRole('toolbar', { name: 'Selection' });
    this.menu = page.getByRole('menu');
    this.toast = page.locator('#toast');
  }

  // Opens the page at a hash like #/reports/, and waits until the list is there.
  async open(hash = '') {
    await this.page.goto(`${this.origin}/${hash}`);
    await this.loaded();
  }

  // The list shows what was asked for last.
  async loaded() {
    await this.page.locator('#files[aria-busy=false]').waitFor({ state: 'attached' });
    await this.page.locator('#files tbody tr, #empty:visible, #failed:visible').first().waitFor({ state: 'attached' });
  }

  // --- uploading

  choose(paths) {
    return this.page.getByLabel('Choose files').setInputFiles(paths);
  }

  chooseFolder(path) {
    return this.page.getByLabel('Choose a folder').setInputFiles(path);
  }

  // The row of an upload, by its key.
  upload(key) {
    return this.queue.locator(`li[data-key=${JSON.stringify(key)}]`);
  }

  // Waits for an upload's state: stored, failed, paused, conflict, …
  async uploadIs(key, state, timeout) {
    await this.queue.locator(`li[data-key=${JSON.stringify(key)}][data-state=${state}]`)
      .waitFor({ state: 'attached', ...(timeout && { timeout }) });
  }

  uploadButton(action, key) {
    return this.upload(key).getByRole('button', { name: new RegExp(`^${action}\\b`) });
  }

  // Bytes of an upload that the server has acknowledged, as its bar shows them.
  async acknowledged(key) {
    return Number(await this.upload(key).getByRole('progressbar').evaluate((bar) => bar.value));
  }

  // Waits until so many bytes of it are acknowledged.
  acknowledgedOver(key, bytes) {
    return until(`more than ${bytes} bytes of ${key} are acknowledged`, async () => await this.acknowledged(key) > bytes, 60);
  }

  // --- the list

  row(key) {
    return this.files.locator(`tr[data-key=${JSON.stringify(key)}]`);
  }

  checkbox(key) {
    return this.row(key).getByRole('checkbox');
  }

  // The keys of the rows that are in the document, in order.
  keys() {
    return this.files.locator('tr[data-key]').evaluateAll((rows) => rows.map((row) => row.dataset.key));
  }

  async shows(keys) {
    const wanted = JSON.stringify(keys);
    let seen;
    await until(`the list shows ${wanted}`, async () => {
      seen = await this.keys();
      return JSON.stringify(seen) === wanted;
    }, 10).catch((error) => {
      throw new Error(`${error.message}; it showed ${JSON.stringify(seen)}`);
    });
  }

  // Waits for a text that a locator's element has, or one that matches.
  async says(locator, text) {
    await locator.filter({ hasText: text }).waitFor();
  }

  openItem(name) {
    return this.files.getByRole('link', { name, exact }).click();
  }

  // Chooses from the menu of a row.
  async act(key, action) {
    await this.row(key).locator('.actions').click();
    await this.menu.getByRole('menuitem', { name: action, exact }).click();
  }

  dialog(name) {
    return this.page.getByRole('dialog', { name });
  }

  button(name) {
    return this.page.getByRole('button', { name, exact });
  }

  // Nothing is wider than the window.
  async assertFits(assert) {
    const [content, window] = await this.page.evaluate(() => [
      document.documentElement.scrollWidth, document.documentElement.clientWidth,
    ]);
    assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
  }
}
