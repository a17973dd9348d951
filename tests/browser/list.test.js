// The list: from an empty store to 20,000 keys, folder by folder, by address, filtered and sorted.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { until } from './support/until.js';

flow('an empty store says what to do next', async ({ page, portal, api }) => {
  assert.match(await page.locator('#empty').textContent(), /drop|choose|upload/i);
  await api.put('late.txt');
  await portal.button('Load Files').click();
  await portal.shows(['late.txt']);
});

flow('a list that cannot be had says so, and can be asked for again', { wire: true, tolerates: /ERR_CONNECTION|ERR_EMPTY|ERR_SOCKET/, seed: (api) => api.put('a.txt') }, async ({ page, portal, proxy }) => {
  await portal.shows(['a.txt']);
  proxy.cut();
  await portal.button('Load Files').click();
  const failed = page.locator('#failed');
  await failed.waitFor();
  assert.notEqual((await failed.textContent()).trim(), '');
  proxy.mend();
  await failed.getByRole('button', { name: 'Try again' }).click();
  await failed.waitFor({ state: 'hidden' });
  await portal.shows(['a.txt']);
});

const TREE = ['reports/2025/old.txt', 'reports/2026/q1.txt', 'reports/2026/q2.txt', 'reports/summary.txt', 'top.txt'];

flow('folders open by link, by breadcrumb, by address, and the browser goes back', { seed: (api) => api.seed(TREE) }, async ({ page, portal }) => {
  await portal.shows(['reports/', 'top.txt']);
  await portal.openItem('reports');
  await portal.shows(['reports/2025/', 'reports/2026/', 'reports/summary.txt']);
  await portal.openItem('2026');
  await portal.shows(['reports/2026/q1.txt', 'reports/2026/q2.txt']);
  assert.equal(new URL(page.url()).hash, '#/reports/2026/');
  const crumbs = portal.crumbs.getByRole('link');
  assert.deepEqual(await crumbs.allTextContents(), ['All files', 'reports', '2026']);
  assert.equal(await crumbs.last().getAttribute('aria-current'), 'page');

  await crumbs.nth(1).click();
  await portal.shows(['reports/2025/', 'reports/2026/', 'reports/summary.txt']);
  await page.goBack();
  await portal.shows(['reports/2026/q1.txt', 'reports/2026/q2.txt']);
  await crumbs.first().click();
  await portal.shows(['reports/', 'top.txt']);

  await portal.open('#/reports/2025/');
  await portal.shows(['reports/2025/old.txt']);
});

flow('an address leads to a file, and back closes it', { seed: (api) => api.seed(TREE) }, async ({ page, portal }) => {
  await portal.openItem('reports');
  await portal.openItem('summary.txt');
  const details = portal.dialog('summary.txt');
  await details.waitFor();
  assert.equal(new URL(page.url()).hash, '#/reports/summary.txt');
  await page.goBack();
  await details.waitFor({ state: 'hidden' });
  assert.equal(new URL(page.url()).hash, '#/reports/');
  // The same in a window that has never seen the list.
  await page.goto('about:blank');
  await portal.open('#/reports/2026/q1.txt');
  await portal.dialog('q1.txt').waitFor();
  await portal.shows(['reports/2026/q1.txt', 'reports/2026/q2.txt']);
});

const ODD = 'a%2F#?& +é/b';

flow('a deep link leads to folders of any name', { seed: (api) => api.seed([`${ODD}/c.txt`]) }, async ({ portal }) => {
  await portal.openItem('a%2F#?& +é');
  await portal.openItem('b');
  await portal.shows([`${ODD}/c.txt`]);
  const hash = new URL(portal.page.url()).hash;
  await portal.page.goto('about:blank');
  await portal.open(hash);
  await portal.shows([`${ODD}/c.txt`]);
});

flow('the list is filtered by what names begin with', { seed: (api) => api.seed(['alpha.txt', 'alps/x.txt', 'beta.txt']) }, async ({ page, portal }) => {
  await portal.filter.fill('alp');
  await portal.shows(['alps/', 'alpha.txt']);
  await portal.filter.fill('zzz');
  await page.locator('#empty').filter({ visible: true }).waitFor();
  await portal.filter.fill('');
  await portal.shows(['alps/', 'alpha.txt', 'beta.txt']);
});

flow('what is loaded is sorted by name, size and date', {
  seed: async (api) => {
    await api.put('b.txt', 'x'.repeat(10));
    await api.putLater('c.txt', 'x'.repeat(3000), 'b.txt');
    await api.putLater('a.txt', 'x'.repeat(200), 'c.txt');
  },
}, async ({ page, portal }) => {
  // Which way comes first is the page's choice; it tells which it took.
  const by = async (name, ascending) => {
    const header = page.locator('th', { has: page.getByRole('button', { name, exact: true }) });
    const seen = new Set();
    for (let presses = 0; presses < 2; presses += 1) {
      const before = await header.getAttribute('aria-sort');
      await header.getByRole('button').click();
      const sort = await until('it is sorted', async () => {
        const now = await header.getAttribute('aria-sort');
        return now !== before && now !== 'none' && now;
      });
      seen.add(sort);
      await portal.shows(sort === 'ascending' ? ascending : ascending.toReversed());
    }
    assert.deepEqual([...seen].sort(), ['ascending', 'descending']);
    assert.equal(await page.locator('th[aria-sort=ascending], th[aria-sort=descending]').count(), 1);
  };
  await portal.shows(['a.txt', 'b.txt', 'c.txt']);
  await by('Size', ['b.txt', 'a.txt', 'c.txt']);
  await by('Modified', ['b.txt', 'c.txt', 'a.txt']);
  await by('Name', ['a.txt', 'b.txt', 'c.txt']);
  // Everything is here, so there is nothing to warn of.
  assert.ok(await page.locator('#sorted').isHidden());
});

flow('sorting part of a longer list says that there is more', {
  seed: (api) => api.seed(Array.from({ length: 1200 }, (_, at) => `${String(at).padStart(4, '0')}.txt`)),
}, async ({ page, portal }) => {
  await portal.files.getByRole('button', { name: 'Size', exact: true }).click();
  await page.locator('#sorted').filter({ visible: true }).waitFor();
  assert.match(await portal.status.textContent(), /more exist/);
});

// On MinIO a key costs ten times as much to make, so there are fewer: still more than two pages of
// the store's own.
flow('20,000 keys are paged through, in order and with few rows in the document', { at: false }, async ({ page, portal, api, store }) => {
  const many = store === 'local' ? 20_000 : 2_500;
  const key = (at) => `many/${String(at).padStart(5, '0')}.txt`;
  await api.seed(Array.from({ length: many }, (_, at) => key(at)));
  await portal.open('#/many/');
  await portal.says(portal.status, /The first [\d,.]+ items, more exist/);
  assert.equal(await portal.files.getAttribute('aria-rowcount'), '-1');
  const more = portal.button('Load more');
  await until('all are loaded', async () => {
    if (await more.isVisible() && await more.isEnabled()) await more.click({ timeout: 1_000 }).catch(() => {});
    return /^[\d,.]+ items$/.test((await portal.status.textContent()).trim());
  }, 60);
  assert.match(await portal.status.textContent(), new RegExp(many.toLocaleString('en-GB')));
  assert.ok(await portal.files.locator('tr').count() < 500, 'only rows near the window are in the document');

  await portal.files.getByRole('row').nth(1).focus();
  await page.keyboard.press('End');
  await portal.row(key(many - 1)).waitFor();
  await page.keyboard.press('Home');
  await portal.row(key(0)).waitFor();
  // The middle is where it should be.
  await page.evaluate(() => {
    const table = document.querySelector('#files').getBoundingClientRect();
    scrollTo(0, scrollY + table.top + table.height / 2);
  });
  const middle = Math.floor(many / 2);
  await until('rows of the middle show', async () => {
    const seen = (await portal.keys()).map((each) => Number(each.slice(5, 10)));
    return seen.some((at) => Math.abs(at - middle) < 50) && seen.every((at, index) => index === 0 || at === seen[index - 1] + 1);
  });
});

flow('scrolling to the end loads the next page by itself', {
  seed: (api) => api.seed(Array.from({ length: 1100 }, (_, at) => `${String(at).padStart(4, '0')}.txt`)),
}, async ({ page, portal }) => {
  await portal.says(portal.status, /more exist/);
  await until('the last row is there', async () => {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    return await portal.row('1099.txt').count() > 0;
  });
});

flow('sizes and dates are told in the language of the browser', {
  context: { locale: 'de-DE', timezoneId: 'Europe/Berlin' },
  seed: (api) => api.put('a.txt', 'x'.repeat(1_500_000)),
}, async ({ portal }) => {
  assert.match(await portal.row('a.txt').locator('.size').textContent(), /1,5\sMB/);
  assert.match(await portal.row('a.txt').locator('time').textContent(), /\d{1,2}\.|Nov|Dez|\bheute/);
});

flow('details that come late do not open over another folder', { seed: (api) => api.seed(['in/a.txt', 'b.txt']), at: '#/in/' }, async ({ page, portal }) => {
  let answer;
  await page.route('**/files/in/a.txt', (route) => {
    answer = () => route.continue();
  });
  await portal.openItem('a.txt');
  await until('the details are asked for', () => answer);
  await page.evaluate(() => { location.hash = '#/'; });
  await portal.shows(['in/', 'b.txt']);
  const answered = page.waitForResponse('**/files/in/a.txt');
  await answer();
  await (await answered).finished();
  await portal.openItem('b.txt');
  await portal.dialog('b.txt').waitFor();
  assert.equal(await page.getByRole('dialog').count(), 1);
});

flow('what comes new below a filter with a slash is listed as it is', { seed: (api) => api.seed(['in/a.txt']) }, async ({ portal, folder, page }) => {
  await portal.filter.fill('in/');
  await portal.shows(['in/a.txt']);
  await folder.file('in/b.txt');
  await portal.chooseFolder(`${folder.path}/in`);
  await portal.shows(['in/a.txt', 'in/b.txt']);
  await page.locator('#uploads li[data-state=stored]').waitFor();
});
