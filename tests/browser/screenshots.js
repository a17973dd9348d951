// Makes the pictures of the page: node screenshots.js FOLDER [PART OF A NAME]. Called by
// scripts/screenshots, which see. Two runs give the same pictures: the content is laid out here, and
// what the server or a clock would make different each time is set before the page sees it.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Api } from './support/api.js';
import { close, newContext } from './support/browser.js';
import { Folder } from './support/files.js';
import { Place } from './support/place.js';
import { Portal } from './support/portal.js';
import { pdf, png } from './support/samples.js';
import { until } from './support/until.js';

const [out, only = ''] = process.argv.slice(2);
const MOST = 60_000;
const NOW = new Date('2026-05-20T10:00:00Z');
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

// What lies in the store: key, bytes, hours since it was modified.
const CONTENT = [
  ['contracts/2026/framework agreement.pdf', 184_320, 30],
  ['contracts/2026/supplement.pdf', 92_160, 28],
  ['footage/day 1/0001.mov', 64_000, 50],
  ['footage/day 2/0001.mov', 64_000, 40],
  ['invoices/2026-04.csv', 12_000, 400],
  ['Annual report 2025.pdf', 2_411_724, 1900],
  ['Budget 2026.xlsx', 348_160, 700],
  ['Harbour at dawn.png', 0, 72],
  ['Interview with the founders, second take, uncut.wav', 28_800_000, 190],
  ['Launch film.mp4', 48_234_496, 26],
  ['Notes from the kickoff.md', 4_213, 5],
  ['backup-2026-05-19.tar.zst', 31_457_280, 11],
  ['logo.svg', 3_204, 2400],
  ['press kit.zip', 9_812_000, 310],
];

// A picture worth previewing: a low sun over water.
function harbour() {
  return png(960, 600, (x, y) => {
    const up = y / 600;
    const sun = Math.exp(-(((x - 620) / 90) ** 2) - ((y - 300) / 70) ** 2);
    const glow = Math.exp(-(((x - 620) / 420) ** 2) - ((y - 330) / 200) ** 2);
    if (y < 350) return [40 + 150 * up + 90 * glow + 80 * sun, 60 + 90 * up + 60 * glow + 80 * sun, 120 + 20 * up + 10 * glow + 40 * sun].map((c) => Math.min(255, c));
    const wave = 0.5 + 0.5 * Math.sin(y * 0.9 + Math.sin(x / 37) * 2 + Math.sin(x / 11 + y / 7));
    const track = Math.exp(-(((x - 620) / (30 + (y - 350) * 0.7)) ** 2)) * wave;
    return [24 + 40 * glow + 190 * track, 44 + 34 * glow + 130 * track, 74 + 20 * glow + 60 * track].map((c) => Math.min(255, c));
  });
}

async function layOut(api) {
  for (const [key, bytes] of CONTENT) {
    if (key.endsWith('.png')) {
      // Twice, so that there is an older version.
      await api.put(key, png(960, 600));
      await api.put(key, harbour(), { 'x-amz-meta-place': 'Hamburg' });
    } else if (key.endsWith('.pdf')) await api.put(key, Buffer.concat([pdf(key.split('/').pop()), Buffer.alloc(bytes)]));
    else await api.put(key, Buffer.alloc(bytes, 'cloud '));
  }
}

function modified(key) {
  const hours = CONTENT.find(([each]) => each === key)?.[2] ?? 1;
  return new Date(NOW - hours * 3_600_000).toISOString();
}

function version(at) {
  return `000661${9 - at}cdfdbca9b-3fcb04d1`;
}

// Dates, tags and versions are the store's, and new each time.
async function steady(page, view) {
  if (view !== 'uploads') await page.clock.setFixedTime(NOW);
  await page.route(/\/files(\?|\/|$)/, async (route) => {
    if (!['GET', 'HEAD'].includes(route.request().method())) return route.fallback();
    const answer = await route.fetch();
    if (!answer.headers()['content-type']?.startsWith('application/json')) {
      const headers = answer.headers();
      if (headers['last-modified']) {
        const key = decodeURIComponent(new URL(route.request().url()).pathname.slice('/files/'.length));
        headers['last-modified'] = new Date(modified(key)).toUTCString();
        headers.etag = '"9e107d9d372bb6826bd81d3542a419d6"';
        headers['x-amz-version-id'] &&= version(0);
      }
      return route.fulfill({ response: answer, headers });
    }
    const body = await answer.json();
    for (const each of body.files ?? []) each.last_modified = modified(each.key);
    for (const [at, each] of (body.versions ?? []).entries()) {
      each.last_modified = new Date(new Date(modified(each.key)) - at * 86_400_000).toISOString();
      each.version_id = version(at);
    }
    return route.fulfill({ response: answer, json: body });
  });
}

const VIEWS = {
  list: async ({ portal }) => {
    await portal.open();
    await portal.row('logo.svg').waitFor({ state: 'attached' });
  },
  details: async ({ portal, page }) => {
    await portal.open();
    await portal.openItem('Harbour at dawn.png');
    const details = portal.dialog('Harbour at dawn.png');
    await details.locator('#facts dd').first().waitFor();
    await details.getByRole('list', { name: 'Versions' }).getByRole('listitem').first().waitFor();
    await page.waitForFunction(() => document.querySelector('#preview img')?.naturalWidth > 0);
  },
  empty: async ({ portal }) => portal.open('#/talks/'),
  // Last, because it leaves files. Uploads at all stages. The answers are written here, so that each stays where it is, and the
  // clock goes on only as it is told, so that speed and time left are the same each time.
  uploads: async ({ portal, page, folder, api }) => {
    for (const key of ['Meeting minutes.md', 'Site plan.svg']) await api.delete(key);
    let arrive;
    const arriving = new Promise((resolve) => { arrive = resolve; });
    const stuck = new Set();
    await page.route(/\/uploads(\?|\/|$)/, async (route) => {
      const request = route.request();
      const address = new URL(request.url());
      const tus = { 'tus-resumable': '1.0.0' };
      if (request.method() === 'POST') {
        const location = `/uploads/${encodeURIComponent(address.searchParams.get('key'))}`;
        return route.fulfill({ status: 201, headers: { ...tus, location, 'upload-offset': '0' } });
      }
      const at = Number(request.headers()['upload-offset']);
      const goal = address.pathname.includes('Raw') ? 62_914_560 : 8_388_608;
      // The last piece is on its way for as long as the picture takes.
      if (at >= goal) {
        stuck.add(address.pathname);
        return undefined;
      }
      await arriving;
      return at === 0
        ? route.fulfill({ status: 204, headers: { ...tus, 'upload-offset': String(request.headers()['content-length'] ?? 4_194_304) } })
        : route.fulfill({ status: 409, headers: { ...tus, 'upload-offset': String(goal) } });
    });
    await page.clock.install({ time: NOW });
    await portal.open();
    await page.clock.pauseAt(new Date(NOW.getTime() + 60_000));
    const paths = [
      await folder.file('Meeting minutes.md', Buffer.alloc(18_000, 'minutes ')),
      await folder.file('Site plan.svg', Buffer.alloc(42_000, '<svg/>')),
      await folder.file('logo.svg', Buffer.alloc(3_400, '<svg/>')),
      (await folder.big('Raw footage, day 3.mov', 96_000_000)).path,
      (await folder.big('Podcast episode 12.wav', 42_000_000)).path,
    ];
    await portal.choose(paths);
    const tick = (what, condition) => until(what, async () => {
      await page.clock.runFor(250);
      return condition();
    });
    const is = (key, state) => portal.upload(key).and(page.locator(`[data-state=${state}]`)).count();
    const question = portal.dialog('This name exists already');
    await tick('it asks', () => question.isVisible());
    await page.keyboard.press('Escape');
    for (const [key, state] of [['Meeting minutes.md', 'stored'], ['Site plan.svg', 'stored'], ['logo.svg', 'conflict'], ['Raw footage, day 3.mov', 'uploading'], ['Podcast episode 12.wav', 'uploading']]) {
      await tick(`${key} is ${state}`, () => is(key, state));
    }
    // Longer than speed looks back.
    await page.clock.runFor(15_000);
    arrive();
    await until('the last pieces are on their way', () => stuck.size === 2);
    await page.clock.runFor(2_000);
  },
};

async function shot(world, name, view, options) {
  const context = await newContext(options);
  const page = await context.newPage();
  await steady(page, view);
  await VIEWS[view]({ ...world, page, portal: new Portal(page, world.server.origin) }).catch(async (error) => {
    throw new Error(`${name}: ${error.message}\n${await page.locator('body').ariaSnapshot()}`);
  });
  await page.mouse.move(0, 0);
  await page.waitForLoadState('load');
  await page.evaluate(() => document.fonts.ready);
  const cdp = await context.newCDPSession(page);
  let bytes;
  // As sharp as the size allows.
  for (const quality of [90, 80, 70, 55, 40]) {
    const { data } = await cdp.send('Page.captureScreenshot', { format: 'webp', quality });
    bytes = Buffer.from(data, 'base64');
    if (bytes.length < MOST) break;
  }
  if (bytes.length >= MOST) throw new Error(`${name} has ${bytes.length} bytes`);
  await writeFile(join(out, `${name}.webp`), bytes);
  console.log(`${name}.webp: ${bytes.length} bytes`);
  await context.close();
}

const place = await Place.new('local');
const folder = await Folder.new();
const server = await place.serve();
const api = new Api(server);
try {
  await layOut(api);
  for (const view of Object.keys(VIEWS)) {
    for (const [device, viewport] of [['desktop', DESK], ['phone', PHONE]]) {
      for (const colorScheme of ['light', 'dark']) {
        const name = `${view}-${device}-${colorScheme}`;
        if (!name.includes(only)) continue;
        const phone = device === 'phone' ? { isMobile: true, hasTouch: true } : {};
        await shot({ api, folder, server }, name, view, { viewport, colorScheme, ...phone });
      }
    }
  }
} finally {
  await close();
  api.close();
  await server.kill();
  await place.remove();
  await folder.remove();
}
