// A name that exists already is never overwritten without a word: people choose, once or for all.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { until } from './support/until.js';

// The server refuses what it was asked to refuse, and Chromium notes each such answer.
const tolerates = /status of 412/;
const seed = (api) => api.seed(['a.txt', 'b.txt', 'c.txt'], 'old');

async function choose({ portal, folder }, names) {
  const paths = [];
  for (const name of names) paths.push(await folder.file(name, 'new'));
  await portal.choose(paths);
  return portal.dialog('This name exists already');
}

flow('a name that exists is replaced when people say so', { seed, tolerates }, async (world) => {
  const { portal, api } = world;
  const dialog = await choose(world, ['a.txt']);
  assert.match(await dialog.textContent(), /a\.txt/);
  assert.equal(await api.text('a.txt'), 'old');
  await dialog.getByRole('button', { name: 'Replace' }).click();
  await portal.uploadIs('a.txt', 'stored');
  assert.equal(await api.text('a.txt'), 'new');
});

flow('both are kept under two names', { seed, tolerates }, async (world) => {
  const { portal, api } = world;
  const dialog = await choose(world, ['a.txt']);
  await dialog.getByRole('button', { name: 'Keep both' }).click();
  await portal.shows(['a (2).txt', 'a.txt', 'b.txt', 'c.txt']);
  assert.equal(await api.text('a.txt'), 'old');
  assert.equal(await api.text('a (2).txt'), 'new');

  // And a third, when the second is taken too.
  await portal.choose(`${world.folder.path}/a.txt`);
  await dialog.getByRole('button', { name: 'Keep both' }).click();
  await portal.shows(['a (2).txt', 'a (3).txt', 'a.txt', 'b.txt', 'c.txt']);
});

flow('a name that exists is skipped', { seed, tolerates }, async (world) => {
  const { portal, api } = world;
  const dialog = await choose(world, ['a.txt', 'z.txt']);
  await dialog.getByRole('button', { name: 'Skip' }).click();
  await portal.uploadIs('a.txt', 'skipped');
  await portal.uploadIs('z.txt', 'stored');
  assert.equal(await api.text('a.txt'), 'old');
});

for (const [action, state, content] of [['Replace', 'stored', 'new'], ['Skip', 'skipped', 'old']]) {
  flow(`${action} is done for all when people say so`, { seed, tolerates }, async (world) => {
    const { portal, api } = world;
    const dialog = await choose(world, ['a.txt', 'b.txt', 'c.txt', 'z.txt']);
    await dialog.getByLabel('Do this for all').check();
    await dialog.getByRole('button', { name: action }).click();
    for (const key of ['a.txt', 'b.txt', 'c.txt']) {
      await portal.uploadIs(key, state);
      assert.equal(await api.text(key), content);
    }
    await portal.uploadIs('z.txt', 'stored');
    assert.ok(await dialog.isHidden());
  });
}

flow('without "for all" each name is asked about', { seed, tolerates }, async (world) => {
  const { portal, api } = world;
  const dialog = await choose(world, ['a.txt', 'b.txt']);
  const first = (await dialog.textContent()).match(/[ab]\.txt/)[0];
  const second = first === 'a.txt' ? 'b.txt' : 'a.txt';
  await dialog.getByRole('button', { name: 'Replace' }).click();
  await dialog.filter({ hasText: second }).getByRole('button', { name: 'Skip' }).click();
  await portal.uploadIs(first, 'stored');
  await portal.uploadIs(second, 'skipped');
  assert.equal(await api.text(first), 'new');
  assert.equal(await api.text(second), 'old');
});

flow('a question that is put off can be answered at the row', { seed, tolerates }, async (world) => {
  const { page, portal, api } = world;
  const dialog = await choose(world, ['a.txt']);
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await portal.uploadIs('a.txt', 'conflict');
  await portal.uploadButton('Replace', 'a.txt').click();
  await portal.uploadIs('a.txt', 'stored');
  assert.equal(await api.text('a.txt'), 'new');
});

flow('a large file asks before its bytes are sent', { seed: (api) => api.put('big.bin', 'old'), tolerates, wire: true }, async ({ portal, folder, proxy, api }) => {
  const big = await folder.big('big.bin', 20 << 20);
  const before = proxy.sent;
  await portal.choose(big.path);
  const dialog = portal.dialog('This name exists already');
  await dialog.waitFor();
  assert.ok(proxy.sent - before < 100_000, `${proxy.sent - before} bytes were sent`);
  await dialog.getByRole('button', { name: 'Replace' }).click();
  await portal.uploadIs('big.bin', 'stored');
  assert.equal((await api.get('big.bin', { keep: false })).sha256, big.sha256);
  if ((await api.versions('big.bin')).length !== 2) assert.fail('the older version is gone');
});

for (const [how, key] of [['Replace', 'taken.bin'], ['Keep both', 'taken (2).bin']]) {
  flow(`a name that somebody takes while a large file is sent is asked about: ${how}`, { tolerates: /status of 412/, wire: true }, async ({ portal, folder, proxy, api }) => {
    const big = await folder.big('taken.bin', 24 << 20);
    proxy.rate = 12 << 20;
    await portal.choose([big.path]);
    await portal.acknowledgedOver('taken.bin', 0);
    await api.put('taken.bin', "somebody else's");
    proxy.rate = Infinity;
    await portal.dialog('This name exists already').waitFor();
    assert.equal(await api.text('taken.bin'), "somebody else's");
    await portal.dialog('This name exists already').getByRole('button', { name: how }).click();
    await portal.uploadIs('taken.bin', 'stored');
    assert.equal((await api.get(key, { keep: false })).sha256, big.sha256);
    if (how !== 'Replace') assert.equal(await api.text('taken.bin'), "somebody else's");
  });
}

flow('two large files of one name that are chosen together are not stored over each other', { tolerates: /status of 412/ }, async ({ portal, folder, api }) => {
  const first = await folder.big('1/same.bin', 9 << 20);
  const second = await folder.big('2/same.bin', 10 << 20);
  await portal.choose([first.path, second.path]);
  await portal.dialog('This name exists already').getByRole('button', { name: 'Keep both' }).click();
  await portal.shows(['same (2).bin', 'same.bin']);
  assert.equal((await api.get('same.bin', { keep: false })).sha256, first.sha256);
  assert.equal((await api.get('same (2).bin', { keep: false })).sha256, second.sha256);
});

flow('an upload that goes on asks when its name was taken while it stood still', { wire: true }, async ({ portal, folder, api, proxy, sending }) => {
  proxy.rate = 8 << 20;
  const big = await folder.big('big.bin', 20 << 20);
  await portal.choose(big.path);
  await portal.acknowledgedOver('big.bin', 0);
  await portal.uploadButton('Pause', 'big.bin').click();
  await until('nothing is sent any more', () => sending.size === 0);
  await api.put('big.bin', 'of somebody else');
  proxy.rate = Infinity;
  await portal.uploadButton('Resume', 'big.bin').click();
  await portal.dialog('This name exists already').getByRole('button', { name: 'Keep both' }).click();
  await portal.shows(['big (2).bin']);
  assert.equal(await api.text('big.bin'), 'of somebody else');
  assert.equal((await api.get('big (2).bin', { keep: false })).sha256, big.sha256);
});

flow('what is answered for all is not for what is added later', {
  seed: (api) => api.seed(['g/a.txt', 'h/b.txt'], 'old'), at: '#/g/', tolerates,
}, async ({ page, portal, folder, api, origin }) => {
  // Keeps the queue at work.
  await page.route('**/files/g/slow.txt', () => {});
  await portal.choose([await folder.file('slow.txt', 'slow'), await folder.file('a.txt', 'new')]);
  const dialog = portal.dialog('This name exists already');
  await dialog.getByLabel('Do this for all').check();
  await dialog.getByRole('button', { name: 'Replace' }).click();
  await portal.uploadIs('g/a.txt', 'stored');
  await page.goto(`${origin}/#/h/`);
  await portal.shows(['h/b.txt']);
  await portal.choose(await folder.file('b.txt', 'new'));
  await dialog.getByRole('button', { name: 'Skip' }).click();
  await portal.uploadIs('h/b.txt', 'skipped');
  assert.equal(await api.text('h/b.txt'), 'old');
});

flow('a year in a name is not counted on', { seed: (api) => api.put('Report (2025).pdf', 'old'), tolerates }, async (world) => {
  const dialog = await choose(world, ['Report (2025).pdf']);
  await dialog.getByRole('button', { name: 'Keep both' }).click();
  await world.portal.shows(['Report (2025) (2).pdf', 'Report (2025).pdf']);
});

flow('a file that was paused after its bytes had come is not in conflict with itself', { tolerates }, async ({ page, portal, folder, api }) => {
  // It is stored, and the answer never comes.
  await page.route('**/files/a.txt', () => api.put('a.txt', 'a.txt'));
  await portal.choose(await folder.file('a.txt'));
  await until('it is stored', async () => await api.text('a.txt') === 'a.txt');
  await portal.uploadButton('Pause', 'a.txt').click();
  await portal.uploadIs('a.txt', 'paused');
  await page.unroute('**/files/a.txt');
  await portal.uploadButton('Resume', 'a.txt').click();
  await portal.uploadIs('a.txt', 'stored');
  assert.deepEqual(await api.keys(), ['a.txt']);
});
