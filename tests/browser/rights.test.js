// The page for who may not do everything: it says what was refused, asks for nothing in vain over and
// over, and goes on where it may.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { flow } from './support/flow.js';

// The server refuses what it is to refuse, and Chromium notes each such answer.
const tolerates = /status of (401|403|412)/;

const ALL = ['read', 'list', 'write', 'delete'];
// The page's user as a proxy names it; the tests' own requests come from somebody else.
const as = (rights, prefixes) => ({
  settings: { AUTH: 'proxy', TRUSTED_PROXIES: '127.0.0.0/8' },
  users: { users: [{ name: 'visitor', rights, prefixes }, { name: 'test', rights: ALL }] },
  headers: { 'x-forwarded-user': 'test' },
  context: { extraHTTPHeaders: { 'x-forwarded-user': 'visitor' } },
  tolerates,
});

// What the page has asked for, by method and path.
function asked(page) {
  const all = [];
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url());
    all.push({ method: request.method(), path: pathname + search });
  });
  return all;
}

const MIB = 1 << 20;
for (const [what, size] of [['small', 10], ['middling', 5 * MIB], ['large', 12 * MIB]]) {
  flow(`who may add and not delete is refused once to replace a ${what} file, and can keep both`, {
    ...as(['read', 'list', 'write']), seed: (api) => api.put('up.bin', 'old'),
  }, async ({ page, portal, folder, api }) => {
    const { path, sha256 } = size < MIB ? { path: await folder.file('up.bin', 'new') } : await folder.big('up.bin', size);
    const dialog = portal.dialog('This name exists already');
    await portal.choose(path);
    await dialog.waitFor();
    const all = asked(page);
    await dialog.getByRole('button', { name: 'Replace' }).click();
    await portal.says(portal.upload('up.bin'), /exists already.*not replace/s);
    await portal.uploadIs('up.bin', 'conflict');
    assert.equal(await portal.uploadButton('Replace', 'up.bin').count(), 0, 'it is not offered again');
    assert.ok(await dialog.isHidden());
    const writes = all.filter(({ method }) => method === 'PUT' || method === 'POST');
    assert.equal(writes.length, 1, JSON.stringify(writes));
    await portal.uploadButton('Keep both', 'up.bin').click();
    await portal.shows(['up (2).bin', 'up.bin']);
    assert.equal(await api.text('up.bin'), 'old');
    if (sha256) assert.equal((await api.get('up (2).bin', { keep: false })).sha256, sha256);
    else assert.equal(await api.text('up (2).bin'), 'new');
  });
}

flow('"Replace" for all ends with those that may not be replaced, and they can be skipped', {
  ...as(['read', 'list', 'write']), seed: (api) => api.seed(['a.txt', 'b.txt'], 'old'),
}, async ({ page, portal, folder, api }) => {
  const dialog = portal.dialog('This name exists already');
  const all = asked(page);
  await portal.choose([await folder.file('a.txt', 'new'), await folder.file('b.txt', 'new')]);
  await dialog.getByLabel('Do this for all').check();
  await dialog.getByRole('button', { name: 'Replace' }).click();
  for (const key of ['a.txt', 'b.txt']) {
    await portal.says(portal.upload(key), /not replace/);
    await portal.uploadButton('Skip', key).click();
    await portal.uploadIs(key, 'skipped');
    assert.equal(await api.text(key), 'old');
  }
  assert.equal(all.filter(({ method }) => method === 'PUT').length, 4, 'two of each: asked whether it is free, and to replace');
});

// Whoever leaves something in the drop box has no token, the tests have.
const made = execFileSync(process.env.CLOUD_PORTFOLIO_BIN, ['new-token']).toString();
const [, id, secret] = /^ *([\w-]+)\.(\S+)$/m.exec(made);
const tokens = JSON.parse(/"tokens": (\{.*\})/.exec(made)[1]);
const dropBox = {
  settings: { AUTH: 'bearer' },
  users: { users: [{ name: 'test', tokens, rights: ALL }], anonymous: { rights: ['write'], prefixes: ['in/'] } },
  headers: { authorization: `Bearer ${id}.${secret}` },
  at: '#/in/',
  tolerates,
};

for (const [what, size] of [['middling', 5 * MIB], ['large', 12 * MIB]]) {
  flow(`a drop box takes a ${what} file, and keeps both of one name`, dropBox, async ({ portal, folder, api }) => {
    const first = await folder.big('1/up.bin', size);
    await portal.choose(first.path);
    await portal.uploadIs('in/up.bin', 'stored');
    assert.equal((await api.get('in/up.bin', { keep: false })).sha256, first.sha256);
    await api.put('in/up (2).bin', 'of somebody else');

    const second = await folder.big('2/up.bin', size);
    await portal.choose(second.path);
    await portal.dialog('This name exists already').getByRole('button', { name: 'Keep both' }).click();
    await portal.says(portal.queue, 'as up (3).bin');
    assert.equal((await api.get('in/up.bin', { keep: false })).sha256, first.sha256);
    assert.equal(await api.text('in/up (2).bin'), 'of somebody else');
    assert.equal((await api.get('in/up (3).bin', { keep: false })).sha256, second.sha256);
  });
}

flow('a drop box keeps both of a small file too, and says that nothing can be seen', dropBox, async ({ page, portal, folder, api }) => {
  await portal.says(page.locator('#failed'), 'You may not see the files here. If you may add some, choose them above.');
  assert.ok(await portal.button('Try again').isHidden());
  await api.put('in/a.txt', 'old');
  await portal.choose(await folder.file('a.txt', 'new'));
  await portal.dialog('This name exists already').getByRole('button', { name: 'Keep both' }).click();
  await portal.says(portal.queue, 'as a (2).txt');
  assert.deepEqual([await api.text('in/a.txt'), await api.text('in/a (2).txt')], ['old', 'new']);
});

flow('a name all of whose numbers are refused is given up', dropBox, async ({ page, portal, folder }) => {
  let refused = 0;
  await page.route('**/files/in/*', (route) => {
    refused += 1;
    return route.fulfill({ status: 412 });
  });
  await portal.choose(await folder.file('a.txt', 'new'));
  await portal.dialog('This name exists already').getByRole('button', { name: 'Keep both' }).click();
  await portal.uploadIs('in/a.txt', 'failed');
  assert.ok(refused <= 101, `${refused} were refused`);
});

flow('a delete that is refused is not told as one that was done', {
  ...as(['read', 'list']), seed: (api) => api.put('top.txt'),
}, async ({ page, portal, api }) => {
  await portal.act('top.txt', 'Delete');
  const sure = page.getByRole('dialog').getByRole('button', { name: 'Delete' });
  const refused = portal.toast.filter({ hasText: 'You have not the right to do this here.' });
  await sure.or(refused).first().waitFor();
  if (await sure.isVisible()) await sure.click();
  await refused.waitFor();
  assert.doesNotMatch(await portal.toast.textContent(), /Deleted/);
  assert.ok(await portal.button('Undo').isHidden());
  await portal.shows(['top.txt']);
  assert.equal(await api.text('top.txt'), 'x');
});

flow('a zip that is refused says why', {
  ...as(['read', 'list'], ['team/']), seed: (api) => api.seed(['team/a.txt', 'other/b.txt']),
}, async ({ page, portal }) => {
  await portal.shows(['team/']);
  await page.getByRole('link', { name: 'Download as zip' }).click();
  await portal.says(portal.toast, 'You have not the right to do this here.');
});
