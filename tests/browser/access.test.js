// The page for everyone: axe-core finds nothing in any view, in light and in dark, on a desk and on
// a phone; everything is reached by the keyboard alone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { flow } from './support/flow.js';
import { png } from './support/samples.js';
import { until } from './support/until.js';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'];

// axe does not wait: a transition in the middle has colours of its own.
async function settled(page) {
  await page.evaluate(() => Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {}))));
}

async function assertAccessible(page, view) {
  await settled(page);
  if (!await page.evaluate(() => 'axe' in globalThis)) await page.evaluate(AXE);
  // The preview's frame holds the browser's own viewer, or nothing of ours.
  const { violations } = await page.evaluate((tags) => axe.run(
    { exclude: [['#preview iframe']] }, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] },
  ), TAGS);
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `  ${node.target} ${node.html.slice(0, 200)} ${node.failureSummary}`).join('\n')}`);
  assert.deepEqual(told, [], `${view}: ${told.join('\n')}`);
}

async function seed(api) {
  await api.seed(['reports/2026/q1.txt', 'b.txt', 'a long name that goes on and on, for those who like to tell everything in it.txt']);
  await api.put('a.png', png(80, 60), { 'content-type': 'image/png' });
  await api.put('b.txt', 'more');
}

for (const colorScheme of ['light', 'dark']) {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    const wide = viewport.width > 600 ? 'desk' : 'phone';
    flow(`axe finds nothing in any view, ${colorScheme}, on a ${wide}`, {
      stores: ['local'], context: { colorScheme, viewport }, tolerates: /status of (404|412|413)|ERR_/,
      settings: { MAX_UPLOAD_BYTES: '30000000' }, seed, wire: true,
    }, async ({ page, portal, folder, proxy }) => {
      const check = (view) => assertAccessible(page, view);
      await check('the list');

      await portal.checkbox('b.txt').click();
      await portal.selection.waitFor();
      await check('a selection');
      await portal.row('b.txt').locator('.actions').click();
      await portal.menu.waitFor();
      await check('the menu');
      await page.keyboard.press('Escape');
      await portal.menu.waitFor({ state: 'hidden' });
      await portal.button('Clear selection').click();

      for (const [action, name] of [['Rename or move', 'Rename or move'], ['Share', 'Share a link']]) {
        await portal.act('b.txt', action);
        await portal.dialog(name).waitFor();
        await check(name);
        if (action === 'Share') {
          await portal.button('Create link').click();
          await portal.dialog(name).getByLabel('Link').waitFor();
          await check('a shared link');
        }
        await page.keyboard.press('Escape');
        await portal.dialog(name).waitFor({ state: 'hidden' });
      }

      await portal.act('reports/', 'Delete');
      await portal.dialog(/^Delete/).waitFor();
      await check('the question before a delete');
      await page.keyboard.press('Escape');
      await portal.dialog(/^Delete/).waitFor({ state: 'hidden' });

      for (const name of ['b.txt', 'a.png']) {
        await portal.openItem(name);
        await portal.dialog(name).locator('#facts dd').first().waitFor();
        await portal.dialog(name).getByRole('list', { name: 'Versions' }).getByRole('listitem').first().waitFor();
        await check(`the details of ${name}`);
        await page.keyboard.press('Escape');
        await portal.dialog(name).waitFor({ state: 'hidden' });
      }

      proxy.rate = 1 << 20;
      await portal.choose([
        (await folder.big('large.bin', 31_000_000)).path, (await folder.big('big.bin', 20_000_000)).path,
        await folder.file('b.txt', 'again'),
      ]);
      await portal.dialog('This name exists already').waitFor();
      await check('a conflict');
      await page.keyboard.press('Escape');
      await portal.uploadIs('large.bin', 'failed');
      await portal.uploadIs('big.bin', 'uploading');
      await check('the queue');
      await portal.button('Pause all').click();
      await portal.uploadIs('big.bin', 'paused');
      await check('the queue, paused');
      await portal.button('Cancel all').click();
      await portal.uploadIs('big.bin', 'cancelled');
      await portal.button('Clear finished').click();
      proxy.rate = Infinity;

      await portal.row('b.txt').focus();
      await page.keyboard.press('Delete');
      await portal.button('Undo').waitFor();
      await check('a toast');
      await portal.open('#/nothing/here/');
      await page.locator('#empty').filter({ visible: true }).waitFor();
      await check('an empty folder');
      proxy.cut();
      await portal.button('Load Files').click();
      await page.locator('#failed').filter({ visible: true }).waitFor();
      await check('a list that failed');
    });
  }
}

flow('axe finds nothing in what is rendered without script', {
  stores: ['local'], seed, at: false,
}, async ({ page, origin }) => {
  // axe itself needs script, so the parts are looked at one by one.
  await page.setExtraHTTPHeaders({ accept: 'text/html' });
  for (const path of ['/files', '/files?prefix=reports/&delimiter=/']) {
    await page.goto(origin + path);
    await assertAccessible(page, path);
  }
});

// Tab until the focused element has this role and name.
async function tabTo(page, name) {
  const seen = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const at = document.activeElement;
      const label = at.labels?.[0]?.textContent;
      const row = at.closest('tr[data-key]');
      return (at.getAttribute('aria-label') ?? label ?? (row === at ? row.dataset.key : at.textContent)).trim();
    });
    seen.push(focused.slice(0, 40));
    if (name.test(focused)) {
      const outline = await page.evaluate(() => {
        const at = document.activeElement;
        const shown = [at, at.parentElement, ...at.labels ?? []].map((each) => getComputedStyle(each));
        return shown.some((style) => style.outlineStyle !== 'none' && style.outlineWidth !== '0px' || style.boxShadow !== 'none');
      });
      assert.ok(outline, `one sees where the focus is: ${focused}`);
      return;
    }
  }
  assert.fail(`${name} was not reached by Tab, but ${seen.join(' | ')}`);
}

flow('by the keyboard alone: upload, find, look into, rename, select, delete, undo', {
  stores: ['local'], seed: (api) => api.seed(['a.txt', 'b.txt']),
}, async ({ page, portal, folder, api }) => {
  const path = await folder.file('new.txt', 'typed');
  // Before the way there: from a key alone it may come sooner than the browser is told to give it.
  const chooser = page.waitForEvent('filechooser');
  chooser.catch(() => {}); // What fails on the way is told, and not that it did not come.
  await tabTo(page, /^Choose files/);
  await page.keyboard.press('Space');
  await (await chooser).setFiles(path);
  await portal.uploadIs('new.txt', 'stored');
  await portal.shows(['a.txt', 'b.txt', 'new.txt']);

  await tabTo(page, /^(a|b|new)\.txt$/);
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await portal.dialog('a.txt').waitFor();
  await page.keyboard.press('Escape');
  await portal.dialog('a.txt').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.closest('tr')?.dataset.key), 'a.txt', 'the focus comes back');

  await page.keyboard.press('F2');
  await portal.dialog('Rename or move').waitFor();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('renamed.txt');
  await page.keyboard.press('Enter');
  await portal.shows(['b.txt', 'new.txt', 'renamed.txt']);

  await until('the focus is in the list', () => page.evaluate(() => document.activeElement.closest('tr') !== null));
  await page.keyboard.press('End');
  await page.keyboard.press('Shift+ArrowUp');
  await portal.says(portal.selected, '2 selected');
  await page.keyboard.press('Delete');
  await portal.shows(['b.txt']);
  assert.deepEqual(await api.keys(), ['b.txt']);
  await page.keyboard.press('Control+z');
  await portal.shows(['b.txt', 'new.txt', 'renamed.txt']);

  // The menu too.
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+F10');
  await portal.menu.waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await portal.menu.waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement.closest('tr')?.dataset.key), 'b.txt', 'the focus comes back');
});

flow('progress and ends are announced, not each byte of them', { stores: ['local'], wire: true, seed: (api) => api.put('a.txt') }, async ({ page, portal, folder, proxy }) => {
  await page.evaluate(() => {
    globalThis.said = [];
    const announce = document.querySelector('#announce');
    new MutationObserver(() => {
      if (announce.textContent) said.push(announce.textContent);
    }).observe(announce, { childList: true, characterData: true, subtree: true });
  });
  proxy.rate = 8 << 20;
  await portal.choose((await folder.big('big.bin', 16 << 20)).path);
  await portal.uploadIs('big.bin', 'stored');
  await until('the end is announced', () => page.evaluate(() => said.some((text) => /stored|finished|done|complete|uploaded/i.test(text))));
  const said = await page.evaluate(() => globalThis.said);
  assert.ok(said.length <= 8, said.join('\n'));
});

flow('without a wish for less motion things may move, with it nothing does', { stores: ['local'], seed }, async ({ page, portal }) => {
  await portal.openItem('b.txt');
  await portal.dialog('b.txt').waitFor();
  const moving = await page.evaluate(() => document.getAnimations().filter((each) => each.effect.getTiming().duration > 10).length);
  assert.equal(moving, 0);
});

for (const width of [320, 390, 768, 1920]) {
  flow(`the page fits a window of ${width}`, { stores: ['local'], seed, context: { viewport: { width, height: 800 } } }, async ({ portal }) => {
    await portal.assertFits(assert);
    await portal.checkbox('b.txt').click();
    await portal.assertFits(assert);
    await portal.openItem('a.png');
    await portal.dialog('a.png').waitFor();
    await portal.assertFits(assert);
  });
}
