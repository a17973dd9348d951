// Files get in by every way that hands know, in order and with their folders, and the queue tells
// how far each is.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { drop, paste, throttle } from './support/gestures.js';
import { until } from './support/until.js';

const MIB = 1 << 20;

flow('files that are chosen are stored, and stand in the list', async ({ portal, folder, api }) => {
  await portal.choose([await folder.file('a.txt', 'first'), await folder.file('ünï codé.txt', 'second')]);
  await portal.uploadIs('a.txt', 'stored');
  await portal.uploadIs('ünï codé.txt', 'stored');
  await portal.shows(['a.txt', 'ünï codé.txt']);
  assert.equal(await api.text('a.txt'), 'first');
  assert.equal(await api.text('ünï codé.txt'), 'second');
});

flow('an empty file is stored', async ({ portal, folder, api }) => {
  await portal.choose(await folder.file('empty.txt', ''));
  await portal.uploadIs('empty.txt', 'stored');
  assert.equal(await api.text('empty.txt'), '');
});

flow('files that are dropped are stored in the folder that is open', {
  at: '#/in/', seed: (api) => api.put('in/old.txt'),
}, async ({ page, portal, folder, api }) => {
  await drop(page, page.locator('#zone'), [await folder.file('one.txt'), await folder.file('two.txt')]);
  await portal.uploadIs('in/one.txt', 'stored');
  await portal.uploadIs('in/two.txt', 'stored');
  await portal.shows(['in/old.txt', 'in/one.txt', 'in/two.txt']);
  assert.equal(await api.text('in/two.txt'), 'two.txt');
});

flow('files may be dropped anywhere on the page', {
  seed: (api) => api.put('old.txt'),
}, async ({ page, portal, folder }) => {
  await drop(page, portal.row('old.txt'), [await folder.file('one.txt')]);
  await portal.uploadIs('one.txt', 'stored');
});

flow('a folder that is dropped keeps its structure', async ({ page, portal, folder, api }) => {
  await folder.file('trip/day 1/a.txt');
  await folder.file('trip/day 1/deep/er/b.txt');
  await folder.file('trip/c.txt');
  const single = await folder.file('single.txt');
  await drop(page, page.locator('#zone'), [`${folder.path}/trip`, single]);
  const wanted = ['single.txt', 'trip/c.txt', 'trip/day 1/a.txt', 'trip/day 1/deep/er/b.txt'];
  for (const key of wanted) await portal.uploadIs(key, 'stored');
  assert.deepEqual(await api.keys(), wanted);
  await portal.shows(['trip/', 'single.txt']);
});

flow('a folder of 500 files keeps its structure', { at: '#/backup/' }, async ({ page, portal, folder, api }) => {
  const wanted = [];
  for (let at = 0; at < 500; at += 1) {
    const name = `photos/${Math.floor(at / 100)}/album ${at % 7}/${at}.txt`;
    await folder.file(name, `content of ${at}`);
    wanted.push(`backup/${name}`);
  }
  await portal.chooseFolder(`${folder.path}/photos`);
  await until('all are stored', async () => /500 of 500|500 files? stored/.test(await portal.summary.textContent()), 60);
  assert.deepEqual((await api.keys()).sort(), wanted.sort());
  assert.equal(await api.text('backup/photos/4/album 0/497.txt'), 'content of 497');
  // Not a row for each of thousands.
  assert.ok(await portal.queue.getByRole('listitem').count() <= 101);
  await portal.shows(['backup/photos/']);
});

flow('a picture that is pasted is stored', async ({ page, portal, api }) => {
  await paste(page, [{ name: 'image.png', type: 'image/png', text: 'pixels' }]);
  const row = portal.queue.locator('li[data-state=stored]');
  await row.waitFor();
  const key = await row.getAttribute('data-key');
  assert.match(key, /\.png$/);
  const stored = await api.get(key);
  assert.equal(stored.body.toString(), 'pixels');
  assert.equal(stored.headers['content-type'], 'image/png');
});

flow('text that is pasted into a field is left alone', async ({ page, portal, api }) => {
  await portal.filter.focus();
  await page.evaluate(() => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', 'rep');
    document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  assert.deepEqual(await api.keys(), []);
  assert.ok(await portal.queue.isHidden());
});

flow('at most three files are sent at once', { wire: true }, async ({ portal, folder, proxy }) => {
  proxy.rate = 2 * MIB;
  const paths = [];
  for (let at = 0; at < 6; at += 1) paths.push(await folder.file(`${at}.bin`, Buffer.alloc(MIB)));
  await portal.choose(paths);
  await portal.queue.locator('li[data-state=uploading]').nth(2).waitFor();
  assert.equal(await portal.queue.locator('li[data-state=uploading]').count(), 3);
  assert.equal(await portal.queue.locator('li[data-state=waiting]').count(), 3);
  proxy.rate = Infinity;
  await portal.queue.locator('li[data-state=stored]').nth(5).waitFor();
});

flow('on a slow network progress moves in bytes that the server has, with speed and time left', async ({ page, portal, folder, api }) => {
  const big = await folder.big('slow.bin', 10 * MIB);
  await throttle(page, { bytesPerSecond: 2 * MIB, latency: 50 });
  await portal.choose(big.path);
  const seen = [];
  await until('the file is stored', async () => {
    const [value, max, state] = await portal.upload('slow.bin').evaluate((row) => {
      const bar = row.querySelector('progress');
      return [bar?.value, bar?.max, row.dataset.state];
    });
    if (state === 'uploading') seen.push({ value, max, summary: await portal.summary.textContent() });
    return state === 'stored';
  }, 40);
  const values = seen.map(({ value }) => value);
  assert.deepEqual(values, values.toSorted((a, b) => a - b), 'it never goes back');
  const between = new Set(values.filter((value) => value > 0 && value < 10 * MIB));
  assert.ok(between.size >= 2, `it moved in ${between.size} steps: ${[...between]}`);
  const said = seen.map(({ summary }) => summary).join('\n');
  assert.match(said, /MB\/s/);
  assert.match(said, /second|minute/);
  assert.equal((await api.get('slow.bin', { keep: false })).sha256, big.sha256);
});

flow('an upload that is cancelled leaves nothing, and can be tried again', { wire: true }, async ({ portal, folder, proxy, api }) => {
  proxy.rate = 4 * MIB;
  const big = await folder.big('big.bin', 20 * MIB);
  await portal.choose(big.path);
  await portal.acknowledgedOver('big.bin', 0);
  await portal.uploadButton('Cancel', 'big.bin').click();
  await portal.uploadIs('big.bin', 'cancelled');
  assert.deepEqual(await api.keys(), []);
  proxy.rate = Infinity;
  await portal.uploadButton('Retry', 'big.bin').click();
  await portal.uploadIs('big.bin', 'stored');
  assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
});

flow('all uploads are paused, resumed and cancelled at once', { wire: true }, async ({ portal, folder, proxy, api, sending }) => {
  proxy.rate = 4 * MIB;
  const paths = [];
  for (const name of ['a.bin', 'b.bin', 'c.bin', 'd.bin']) paths.push((await folder.big(name, 10 * MIB)).path);
  await portal.choose(paths);
  await portal.uploadIs('a.bin', 'uploading');
  await portal.button('Pause all').click();
  await portal.queue.locator('li[data-state=paused]').nth(3).waitFor();
  await until('nothing is sent any more', () => sending.size === 0);
  await portal.button('Resume all').click();
  await portal.uploadIs('a.bin', 'uploading');
  await portal.button('Cancel all').click();
  await portal.queue.locator('li[data-state=cancelled]').nth(3).waitFor();
  assert.deepEqual(await api.keys(), []);
  await portal.button('Clear finished').click();
  await portal.queue.waitFor({ state: 'hidden' });
});

flow('what the server refuses is told in its own words, with what to do', {
  settings: { MAX_UPLOAD_BYTES: '1000' }, tolerates: /status of 4\d\d/,
}, async ({ portal, folder, api }) => {
  await portal.choose([
    await folder.file('large.bin', Buffer.alloc(2000)), await folder.file('small.bin', Buffer.alloc(10)),
  ]);
  await portal.uploadIs('large.bin', 'failed');
  await portal.uploadIs('small.bin', 'stored');
  const { body } = await api.ask('PUT', '/files/large.bin', { body: Buffer.alloc(2000) });
  const { detail } = JSON.parse(body);
  assert.ok(detail);
  assert.ok((await portal.upload('large.bin').locator('.note').textContent()).includes(detail), detail);
  assert.notEqual(await portal.upload('large.bin').locator('.advice').textContent(), '');
  assert.deepEqual(await api.keys(), ['small.bin']);
});

flow('a name that the server does not take is told in its own words', {
  tolerates: /status of 4\d\d/,
}, async ({ portal, folder, api }) => {
  await portal.choose(await folder.file('a\\b\u0001.txt', 'x'));
  const row = portal.queue.locator('li').first();
  await row.and(portal.page.locator('[data-state=failed], [data-state=stored]')).waitFor();
  // Either it is refused with words, or stored under a portable name; never lost in silence.
  if (await row.getAttribute('data-state') === 'failed') {
    assert.notEqual((await row.locator('.note').textContent()).trim(), '');
    assert.deepEqual(await api.keys(), []);
  } else {
    assert.equal((await api.keys()).length, 1);
  }
});

flow('leaving with uploads on their way asks first, and without does not', { wire: true }, async ({ page, portal, folder, proxy }) => {
  proxy.rate = MIB;
  await portal.choose((await folder.big('big.bin', 10 * MIB)).path);
  await portal.uploadIs('big.bin', 'uploading');
  // Browsers ask only people who have touched the page.
  await portal.button('Hide uploads').click();
  await portal.button('Show uploads').click();
  const asked = page.waitForEvent('dialog');
  const reloaded = page.reload().catch(() => 'stayed');
  const dialog = await asked;
  assert.equal(dialog.type(), 'beforeunload');
  await dialog.dismiss();
  await portal.uploadButton('Cancel', 'big.bin').click();
  await portal.uploadIs('big.bin', 'cancelled');
  page.on('dialog', (late) => assert.fail(`asked again: ${late.type()}`));
  await Promise.race([reloaded, page.reload()]);
  await portal.loaded();
});

flow('a full store is told of in the words of the server, and the upload can be tried again', { tolerates: /status of 507/ }, async ({ page, portal, folder, api }) => {
  const full = { type: 'about:blank', title: 'Insufficient Storage', status: 507, detail: 'The disk of the portal is full.', code: 'store_full' };
  await page.route('**/files/a.txt', (route) => (route.request().method() === 'PUT'
    ? route.fulfill({ status: 507, contentType: 'application/problem+json', json: full })
    : route.fallback()));
  await portal.choose(await folder.file('a.txt'));
  await portal.uploadIs('a.txt', 'failed');
  await portal.says(portal.upload('a.txt'), full.detail);
  assert.notEqual(await portal.upload('a.txt').locator('.advice').textContent(), '');
  await page.unroute('**/files/a.txt');
  await portal.uploadButton('Retry', 'a.txt').click();
  await portal.uploadIs('a.txt', 'stored');
  assert.equal(await api.text('a.txt'), 'a.txt');
});

flow('a server that is busy is asked again by itself when it said', { tolerates: /status of 503/ }, async ({ page, portal, folder, api }) => {
  let refused = 0;
  await page.route('**/files/a.txt', (route) => {
    if (route.request().method() !== 'PUT' || refused > 0) return route.fallback();
    refused += 1;
    return route.fulfill({
      status: 503, contentType: 'application/problem+json', headers: { 'retry-after': '1' },
      json: { title: 'Busy', status: 503, detail: 'All buffers are taken.', code: 'busy' },
    });
  });
  await portal.choose(await folder.file('a.txt'));
  await portal.uploadIs('a.txt', 'stored');
  assert.equal(refused, 1);
  assert.equal(await api.text('a.txt'), 'a.txt');
});

flow('below a path of its own everything works as at the top', { settings: { BASE_PATH: '/portal' }, seed: (api) => api.put('in/old.txt') }, async ({ page, portal, folder, api }) => {
  await portal.openItem('in');
  await portal.choose([await folder.file('small.txt'), (await folder.big('big.bin', 9 * MIB)).path]);
  await portal.uploadIs('in/small.txt', 'stored');
  await portal.uploadIs('in/big.bin', 'stored');
  assert.equal(await api.text('in/small.txt'), 'small.txt');
  await portal.openItem('small.txt');
  await portal.dialog('small.txt').locator('#preview').getByText('small.txt').waitFor();
  assert.equal(new URL(page.url()).pathname, '/portal/');
});

flow('a folder that is dropped goes to where it was dropped, though another is opened meanwhile', {
  at: '#/one/',
}, async ({ page, portal, folder, api }) => {
  await folder.file('dir/a.txt');
  // Reading it ends only after another folder is open.
  await page.evaluate(() => {
    const opened = new Promise((resolve) => { addEventListener('hashchange', () => setTimeout(resolve), { once: true }); });
    const entryOf = DataTransferItem.prototype.webkitGetAsEntry;
    DataTransferItem.prototype.webkitGetAsEntry = function entryReadLater() {
      const entry = entryOf.call(this);
      const reader = entry.createReader();
      const read = reader.readEntries.bind(reader);
      reader.readEntries = (...callbacks) => opened.then(() => read(...callbacks));
      entry.createReader = () => reader;
      return entry;
    };
  });
  await drop(page, page.locator('#zone'), [`${folder.path}/dir`]);
  await page.evaluate(() => { location.hash = '#/two/'; });
  await portal.uploadIs('one/dir/a.txt', 'stored');
  assert.deepEqual(await api.keys(), ['one/dir/a.txt']);
});
