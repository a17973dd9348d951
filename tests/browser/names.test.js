// Names are only ever text: none runs, none reaches beyond its row, none hides what it is.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { until } from './support/until.js';

const HOSTILE = [
  '<img src=x onerror=alert(1)>.txt',
  '"><script>alert(1)</script>.html',
  "'\"` onfocus=alert(1) autofocus x='.txt",
  'javascript:alert(1)',
  'invoice\u202Egnp.exe',
  '\u2066isolated\u2069\u200F.txt',
  '{{constructor.constructor("alert(1)")()}}.txt',
  '%3Cscript%3E%00.txt',
  '👩‍👩‍👧‍👦🏳️‍🌈.txt',
  'a  double  space.txt',
  '__proto__',
  'constructor',
  '<svg onload=alert(1)>/inner <b>.txt',
];
// The longest key there may be, without a place to break.
const LONG = 'W'.repeat(1000);

// Over MinIO a key keeps a prefix of the test's own, and its file system ends at 255 a segment.
function keys(store) {
  return store === 'local' ? [...HOSTILE, LONG] : [...HOSTILE, `${'W'.repeat(200)}/${'W'.repeat(200)}/${'W'.repeat(200)}`];
}

for (const viewport of [{ width: 1280, height: 800 }, { width: 360, height: 740 }]) {
  flow(`hostile names are text, and stay within a window of ${viewport.width}`, {
    at: false, context: { viewport },
  }, async ({ page, portal, api, store }) => {
    await api.seed(keys(store));
    await portal.open();
    await portal.row('javascript:alert(1)').waitFor();
    await portal.assertFits(assert);
    // Nothing in the list became an element.
    assert.equal(await portal.files.locator('img[src=x], script, svg[onload]').count(), 0);
    const shown = await portal.files.locator('.open').allTextContents();
    assert.ok(shown.includes(HOSTILE[0]), shown.join('\n'));
    assert.ok(shown.every((name) => !/[\u202A-\u202E\u2066-\u2069]/.test(name)), 'no control of direction');
    assert.ok(shown.some((name) => name.includes('invoice\uFFFDgnp.exe')));

    // Each opens, with everything that its details show, and within the window.
    for (const key of await portal.keys()) {
      if (key.endsWith('/')) continue;
      await portal.row(key).locator('.open').click();
      await page.locator('#details[open]').waitFor();
      await page.locator('#facts dd').first().waitFor();
      await portal.assertFits(assert);
      const width = await page.locator('#details').evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
      assert.ok(width <= 0, `the details of ${key.slice(0, 40)} are ${width} too wide`);
      await page.keyboard.press('Escape');
      await page.locator('#details[open]').waitFor({ state: 'detached' });
    }
    await portal.openItem('<svg onload=alert(1)>');
    await portal.shows(['<svg onload=alert(1)>/inner <b>.txt']);
    await portal.assertFits(assert);
  });
}

flow('hostile names are uploaded, told of, renamed and deleted', { context: { viewport: { width: 800, height: 900 } } }, async ({ page, portal, folder, api }) => {
  // What a file system lets a file be called.
  const names = HOSTILE.filter((name) => !name.includes('/') && !name.includes('script'));
  await portal.choose(await Promise.all(names.map((name) => folder.file(name, 'x'))));
  await until('all are stored', async () => await portal.queue.locator('li[data-state=stored]').count() === names.length);
  assert.deepEqual((await api.keys()).sort(), [...names].sort());
  await portal.assertFits(assert);

  const key = '<img src=x onerror=alert(1)>.txt';
  await portal.act(key, 'Rename or move');
  const dialog = portal.dialog('Rename or move');
  await dialog.getByLabel('New path').fill('<b>"new".txt');
  await dialog.getByRole('button', { name: 'Move' }).click();
  await portal.row('<b>"new".txt').waitFor();
  await portal.act('<b>"new".txt', 'Delete');
  await portal.row('<b>"new".txt').waitFor({ state: 'detached' });
  await portal.says(portal.toast, /<b>"new"\.txt|1 item|Deleted/);
  assert.equal(await page.locator('b:text("new")').count(), 0);
});

flow('a file that holds script is shown as text and runs nowhere', {
  seed: async (api) => {
    const script = '<script>parent.hacked = top.hacked = 1; alert(1)</script><img src=x onerror="top.hacked=1">';
    await api.put('page.html', script, { 'content-type': 'text/html' });
    await api.put('drawing.svg', `<svg xmlns="http://www.w3.org/2000/svg" onload="top.hacked=1">${script}</svg>`, { 'content-type': 'image/svg+xml' });
    await api.put('note.txt', script, { 'content-type': 'text/plain' });
  },
}, async ({ page, portal }) => {
  for (const key of ['page.html', 'drawing.svg', 'note.txt']) {
    await portal.row(key).locator('.open').click();
    await page.locator('#details[open] #facts dd').first().waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined, key);
    await page.keyboard.press('Escape');
    await page.locator('#details[open]').waitFor({ state: 'detached' });
  }
});
