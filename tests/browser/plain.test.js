// The page before and without its script: what it weighs, how fast it stands, and that it works.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';

const BUDGET = 60_000;

flow('without script the form uploads and the list shows', {
  context: { javaScriptEnabled: false },
  seed: (api) => api.seed(['a.txt', 'reports/2026/b.txt']),
}, async ({ page, folder, api, origin }) => {
  await page.locator('input[type=file]').first().setInputFiles([
    await folder.file('one <b>.txt', 'first'), await folder.file('two.txt', 'second'),
  ]);
  await page.getByRole('button', { name: 'Upload' }).click();
  await page.getByText('2 files are stored').waitFor();
  assert.equal(await api.text('one <b>.txt'), 'first');
  assert.equal(await api.text('two.txt'), 'second');

  await page.goto(origin);
  const main = page.getByRole('main');
  await main.getByRole('link', { name: 'one <b>.txt' }).first().waitFor();
  await main.getByRole('link', { name: 'a.txt' }).first().waitFor();
  // A folder leads to what is in it, level by level.
  await main.getByRole('link', { name: 'reports' }).first().click();
  await page.getByRole('main').getByRole('link', { name: '2026' }).first().click();
  const download = page.waitForEvent('download');
  await page.getByRole('main').getByRole('link', { name: 'b.txt' }).first().click();
  assert.equal((await download).suggestedFilename(), 'b.txt');
});

flow('the whole page is transferred in 60 KB, and stands after one more round trip', {
  stores: ['local'], at: false,
  seed: (api) => api.seed(['a.txt', 'b/c.txt']),
}, async ({ page, portal, context }) => {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  const sizes = new Map();
  cdp.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await portal.open();
  await page.waitForLoadState('networkidle');
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  const resources = await page.evaluate(() => performance.getEntriesByType('resource').map((each) => ({
    name: new URL(each.name).pathname, kind: each.initiatorType, bytes: each.encodedBodySize,
    start: each.startTime, end: each.responseEnd,
  })));
  const [document] = await page.evaluate(() => performance.getEntriesByType('navigation').map((each) => each.toJSON()));
  console.log(`the page: ${total} bytes in ${sizes.size} answers, the document ${document.encodedBodySize}`);
  assert.ok(total > 2_000 && total <= BUDGET, `${total} bytes\n${JSON.stringify(resources, null, 1)}`);

  // What is needed for the first view is named in the document itself: nothing is asked for only
  // after another file has come. The list's data are not part of that.
  const files = resources.filter((each) => /\.(js|css|svg)$/.test(each.name));
  assert.ok(files.length > 0);
  const html = await (await page.request.get(page.url())).text();
  for (const { name } of files) {
    assert.ok(html.includes(name.split('/').pop()), `${name} is not named in the document`);
  }
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
