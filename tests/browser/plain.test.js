// The page before and without its script: what it weighs, how fast it stands, and that it works.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { throttle } from './support/gestures.js';

const BUDGET = 60_000;

flow('without script the form uploads and the list shows, folder by folder', {
  context: { javaScriptEnabled: false }, at: false,
  seed: (api) => api.seed(['a.txt', 'reports/2026/b.txt']),
}, async ({ page, folder, api, origin }) => {
  await page.goto(origin);
  await page.locator('input[type=file]').first().setInputFiles([
    await folder.file('one <b>.txt', 'first'), await folder.file('two.txt', 'second'),
  ]);
  await page.getByRole('button', { name: 'Upload' }).click();
  await page.getByText('2 files are stored').waitFor();
  assert.equal(await api.text('one <b>.txt'), 'first');
  assert.equal(await api.text('two.txt'), 'second');

  await page.goto(origin);
  const list = page.frameLocator('iframe[title=Files]');
  await list.getByRole('link', { name: 'one <b>.txt' }).waitFor();
  await list.getByRole('link', { name: 'a.txt' }).waitFor();
  await list.getByRole('link', { name: 'reports' }).click();
  await list.getByRole('link', { name: '2026' }).click();
  const download = page.waitForEvent('download');
  await list.getByRole('link', { name: 'b.txt' }).click();
  assert.equal((await download).suggestedFilename(), 'b.txt');
});

flow('without script a long list is paged', {
  context: { javaScriptEnabled: false }, at: false,
  seed: (api) => api.seed(Array.from({ length: 250 }, (_, at) => `${String(at).padStart(3, '0')}.txt`)),
}, async ({ page, origin }) => {
  await page.goto(origin);
  const list = page.frameLocator('iframe[title=Files]');
  await list.getByRole('link', { name: '000.txt' }).waitFor();
  await list.getByRole('link', { name: /next|more/i }).click();
  await list.getByRole('link', { name: '100.txt' }).waitFor();
  await list.getByRole('link', { name: /next|more/i }).click();
  await list.getByRole('link', { name: '249.txt' }).waitFor();
  assert.equal(await list.getByRole('link', { name: /next|more/i }).count(), 0);
});

flow('the whole page is transferred in 60 KB', {
  stores: ['local'], built: true, at: false,
  seed: (api) => api.seed(['a.txt', 'b/c.txt']),
}, async ({ page, portal, context }) => {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  const sizes = new Map();
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await portal.open();
  await page.waitForLoadState('networkidle');
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const resources = await page.evaluate(() => ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
    .map((each) => `${each.encodedBodySize} of ${each.decodedBodySize} ${each.name}`));
  console.log(`the page: ${total} bytes with headers, in ${sizes.size} answers`);
  assert.ok(total > 2_000 && total <= BUDGET, `${total} bytes\n${resources.join('\n')}`);
});

flow('the first view needs one round trip after the document', {
  stores: ['local'], built: true, at: false,
  seed: (api) => api.seed(['a.txt', 'b/c.txt']),
}, async ({ page, portal }) => {
  // So that a round trip is longer than all else.
  await throttle(page, { latency: 300 });
  await portal.open();
  await page.waitForLoadState('networkidle');
  const files = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter(({ name }) => /\.(js|css)$/.test(new URL(name).pathname))
    .map(({ name, requestStart, responseEnd }) => ({ name, requestStart, responseEnd })));
  const later = await page.locator('link[fetchpriority=low]').evaluateAll((links) => links.map((link) => link.href));
  const first = files.filter(({ name }) => !later.includes(name));
  assert.ok(first.length >= 2, JSON.stringify(files));
  const answered = Math.min(...first.map((each) => each.responseEnd));
  const late = first.filter((each) => each.requestStart >= answered);
  assert.deepEqual(late, [], 'asked for only after the first answer');
  // What comes later is asked for because the document says so, not because a script did.
  const html = await (await page.request.get(page.url())).text();
  for (const { name } of files) assert.ok(html.includes(name.split('/').pop()), `${name} is not named in the document`);
});

flow('nothing moves while the page loads', {
  stores: ['local'], at: false,
  seed: (api) => api.seed(Array.from({ length: 30 }, (_, at) => `file-${at}.txt`)),
}, async ({ page, portal, context }) => {
  await context.addInitScript(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => {
      for (const each of list.getEntries()) {
        globalThis.shifts.push([each.value, ...each.sources.map(({ node }) => node?.outerHTML?.slice(0, 120))]);
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
    await page.setViewportSize(viewport);
    await portal.open();
    await page.waitForLoadState('networkidle');
    // Two frames later, what the last answer has moved is known.
    const shifts = await page.evaluate(() => new Promise((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(globalThis.shifts))));
    }));
    const sum = shifts.reduce((total, [value]) => total + value, 0);
    assert.ok(sum < 0.01, `${sum} at ${viewport.width}: ${JSON.stringify(shifts)}`);
  }
});
