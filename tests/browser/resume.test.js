// What went wrong on the way costs no byte that the server has: a killed server, a reloaded page, a
// network that is gone for a while.

import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';

import { flow } from './support/flow.js';
import { throttle } from './support/gestures.js';
import { Portal } from './support/portal.js';
import { until } from './support/until.js';

const MB = 1_000_000;
// A server that is down, and requests that were cut, are noted by Chromium.
const tolerates = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET|ERR_INTERNET_DISCONNECTED|ERR_NETWORK|status of (404|409|412|423|503)/;

flow('an upload of 200 MB that was paused goes on after the server was killed and the page reloaded', {
  wire: true, tolerates,
}, async (world) => {
  const { page, portal, folder, proxy, api, place, sending } = world;
  const big = await folder.big('big.bin', 200 * MB);
  // So that there is time to pause it.
  proxy.rate = 60 * MB;
  await portal.choose(big.path);
  await portal.acknowledgedOver('big.bin', 60 * MB);
  await portal.uploadButton('Pause', 'big.bin').click();
  await portal.uploadIs('big.bin', 'paused');
  await until('nothing is sent any more', () => sending.size === 0);
  const kept = await portal.acknowledged('big.bin');
  assert.ok(kept > 60 * MB && kept < 200 * MB, `${kept}`);

  const { port } = world.server;
  await world.server.kill();
  world.server = await place.serve({ PORT: String(port) });

  await page.reload();
  await portal.loaded();
  await portal.uploadIs('big.bin', 'needs-file');
  assert.deepEqual(await api.keys(), []);

  proxy.rate = Infinity;
  await portal.choose(big.path);
  await portal.uploadIs('big.bin', 'stored', 60_000);
  const stored = await api.get('big.bin', { keep: false });
  assert.equal(stored.sha256, big.sha256);
  assert.equal(Number(stored.headers['content-length']), 200 * MB);

  // Of all that went over the wire, page and headers included, no more came twice than the part
  // that the kill cut, and what lay in sockets before it.
  const resent = proxy.sent - 200 * MB;
  console.log(`${world.store}: of 200 MB ${kept} bytes were acknowledged at the pause, ${resent} more than the file went over the wire`);
  assert.ok(resent < 17 * MB, `${resent} bytes more than the file were sent`);
});

flow('an upload whose server is killed on the way goes on by itself', { wire: true, tolerates }, async (world) => {
  const { portal, folder, proxy, api, place } = world;
  const big = await folder.big('big.bin', 60 * MB);
  proxy.rate = 30 * MB;
  await portal.choose(big.path);
  await portal.acknowledgedOver('big.bin', 10 * MB);
  const { port } = world.server;
  await world.server.kill();
  await until('the page has noticed', async () => {
    const state = await portal.upload('big.bin').getAttribute('data-state');
    return state === 'offline' || state === 'retrying';
  });
  world.server = await place.serve({ PORT: String(port) });
  proxy.rate = Infinity;
  await portal.uploadIs('big.bin', 'stored', 40_000);
  assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
});

flow('a network that is lost pauses the upload, and goes on by itself', { wire: true, tolerates }, async ({ portal, folder, proxy, api }) => {
  const big = await folder.big('big.bin', 60 * MB);
  proxy.rate = 30 * MB;
  await portal.choose([big.path, await folder.file('small.txt')]);
  await portal.uploadIs('small.txt', 'stored');
  await portal.acknowledgedOver('big.bin', 10 * MB);
  proxy.cut();
  await portal.uploadIs('big.bin', 'offline');
  const kept = await portal.acknowledged('big.bin');
  const before = proxy.sent;
  proxy.rate = Infinity;
  proxy.mend();
  await portal.uploadIs('big.bin', 'stored', 40_000);
  assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
  const resent = proxy.sent - before - (60 * MB - kept);
  assert.ok(resent < 17 * MB, `${resent} bytes were sent again`);
});

flow('a browser that says it is offline, and online again, goes on at once', { tolerates, stores: ['local'] }, async ({ page, portal, folder, api }) => {
  const big = await folder.big('big.bin', 24 << 20);
  const network = await throttle(page, { bytesPerSecond: 6 << 20 });
  await portal.choose(big.path);
  await portal.acknowledgedOver('big.bin', 0);
  await network.send('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await portal.uploadIs('big.bin', 'offline');
  await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await portal.uploadIs('big.bin', 'stored');
  assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
});

flow('a queue that was reloaded takes only the same file for the same file', { wire: true, tolerates }, async ({ page, portal, folder, proxy, api }) => {
  proxy.rate = 4 * MB;
  const first = await folder.big('big.bin', 20 * MB);
  await portal.choose(first.path);
  await portal.acknowledgedOver('big.bin', 0);
  await portal.uploadButton('Pause', 'big.bin').click();
  await portal.uploadIs('big.bin', 'paused');
  await page.reload();
  await portal.loaded();
  await portal.uploadIs('big.bin', 'needs-file');
  proxy.rate = Infinity;
  // Of the same name, and of another size.
  const other = await folder.big('other/big.bin', 21 * MB);
  const chooser = page.waitForEvent('filechooser');
  await portal.uploadButton('Choose file', 'big.bin').click();
  await (await chooser).setFiles(other.path);
  await page.waitForFunction(() => document.querySelector('#uploads li').dataset.state === 'needs-file');
  assert.deepEqual(await api.keys(), []);
  const again = page.waitForEvent('filechooser');
  await portal.uploadButton('Choose file', 'big.bin').click();
  await (await again).setFiles(first.path);
  await portal.uploadIs('big.bin', 'stored');
  assert.equal((await api.get('big.bin', { keep: false })).sha256, first.sha256);
});

flow('a queue that was reloaded can be given up', { wire: true, tolerates }, async ({ page, portal, folder, proxy, api }) => {
  proxy.rate = 4 * MB;
  await portal.choose((await folder.big('big.bin', 20 * MB)).path);
  await portal.acknowledgedOver('big.bin', 0);
  await portal.uploadButton('Pause', 'big.bin').click();
  await portal.uploadIs('big.bin', 'paused');
  await page.reload();
  await portal.uploadIs('big.bin', 'needs-file');
  await portal.uploadButton('(Remove|Cancel)', 'big.bin').click();
  await portal.queue.locator('li[data-state=needs-file]').waitFor({ state: 'detached' });
  await page.reload();
  await portal.loaded();
  assert.equal(await portal.queue.locator('li[data-state=needs-file]').count(), 0);
  assert.deepEqual(await api.keys(), []);
});

flow('a second window does not take the uploads of the first', { wire: true, tolerates }, async ({ portal, folder, proxy, context, origin, watch }) => {
  proxy.rate = 8 * MB;
  await portal.choose((await folder.big('big.bin', 20 * MB)).path);
  await portal.acknowledgedOver('big.bin', 0);
  const other = await context.newPage();
  watch(other);
  const second = new Portal(other, origin);
  await second.open();
  assert.equal(await second.queue.locator('li').count(), 0);
  await portal.uploadIs('big.bin', 'stored');
  // It hears of it all the same.
  await second.shows(['big.bin']);
});

// Files of one name, size and date, as copies and fresh checkouts are.
async function alike(folder, ...names) {
  const paths = [];
  for (const name of names) {
    const path = await folder.file(name, name);
    await utimes(path, 1_000_000_000, 1_000_000_000);
    paths.push(path);
  }
  return paths;
}

// Chooses, and leaves the page before the answer for `key` has come.
async function leaveAmid({ page, portal }, key, choose) {
  await page.route(`**/files/${key}`, () => {});
  await choose();
  await portal.uploadIs(key, 'uploading');
  await portal.button('Pause all').click();
  await portal.uploadIs(key, 'paused');
  await page.reload();
  await portal.uploadIs(key, 'needs-file');
  await page.unroute(`**/files/${key}`);
}

// Whichever of the two the browser names first.
for (const [lost, there] of [['a', 'b'], ['b', 'a']]) {
  flow(`a folder chosen again after a reload brings each file to its own place, ${lost} being lost`, { tolerates }, async (world) => {
    const { portal, folder, api } = world;
    await alike(folder, 'proj/a/x.txt', 'proj/b/x.txt');
    const choose = () => portal.chooseFolder(`${folder.path}/proj`);
    await leaveAmid(world, `proj/${lost}/x.txt`, choose);
    await until('the other is stored', async () => (await api.keys()).includes(`proj/${there}/x.txt`));
    await choose();
    await portal.uploadIs(`proj/${lost}/x.txt`, 'stored');
    await portal.dialog('This name exists already').getByRole('button', { name: 'Skip' }).click();
    for (const key of ['proj/a/x.txt', 'proj/b/x.txt']) assert.equal(await api.text(key), key);
  });
}

flow('a file chosen in another folder after a reload goes to that folder', { at: '#/one/', tolerates }, async (world) => {
  const { page, portal, folder, api, origin } = world;
  const [path] = await alike(folder, 'x.txt');
  await leaveAmid(world, 'one/x.txt', () => portal.choose(path));
  await page.goto(`${origin}/#/two/`);
  await portal.says(page.locator('#target'), 'two/');
  await portal.choose(path);
  await portal.uploadIs('two/x.txt', 'stored');
  await portal.uploadIs('one/x.txt', 'needs-file');
  assert.deepEqual(await api.keys(), ['two/x.txt']);
});

flow('a file of another name is not taken for one that was lost', { tolerates }, async (world) => {
  const { page, portal, folder, api } = world;
  const [first, other] = await alike(folder, 'x.txt', 'y.txt');
  await leaveAmid(world, 'x.txt', () => portal.choose(first));
  for (const [path, state] of [[other, 'needs-file'], [first, 'stored']]) {
    const chooser = page.waitForEvent('filechooser');
    await portal.uploadButton('Choose file', 'x.txt').click();
    await (await chooser).setFiles(path);
    if (state === 'needs-file') await portal.says(portal.upload('x.txt'), 'not the same file');
    await portal.uploadIs('x.txt', state);
  }
  assert.equal(await api.text('x.txt'), 'x.txt');
});

for (const locks of [true, false]) {
  flow(`a window that is busy keeps its uploads when a second one opens, ${locks ? 'by its lock' : 'where there are no locks'}`, {
    wire: true, tolerates, at: false, stores: ['local'],
  }, async ({ portal, page, folder, proxy, context, origin, watch, api }) => {
    if (!locks) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
    await portal.open();
    proxy.rate = 4 * MB;
    const big = await folder.big('big.bin', 20 * MB);
    await portal.choose(big.path);
    await portal.acknowledgedOver('big.bin', 0);
    const other = await context.newPage();
    watch(other);
    const busy = page.evaluate(() => {
      const end = performance.now() + 2500;
      while (performance.now() < end);
    });
    const second = new Portal(other, origin);
    await second.open();
    await busy;
    await portal.uploadIs('big.bin', 'stored', 30_000);
    await second.shows(['big.bin']);
    assert.equal(await second.queue.locator('li').count(), 0);
    assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
  });
}
