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
    if (key.endsWith('.png')) await api.put(key, harbour(), { 'x-amz-meta-place': 'Hamburg' });
    else if (key.endsWith('.pdf')) await api.put(key, pdf(key.split('/').pop()));
    else await api.put(key, Buffer.alloc(bytes, 'cloud '));
  }
}

function modified(key) {
  const hours = CONTENT.find(([each]) => each === key)?.[2] ?? 1;
  return new Date(NOW - hours * 3_600_000).toISOString();
}

// Dates, tags and versions are the store's, and new each time.
async function steady(page) {
  await page.clock.setFixedTime(NOW);
  await page.route(/\/files(\?|\/|$)/, async (route) => {
    const answer = await route.fetch();
    if (!answer.headers()['content-type']?.startsWith('application/json')) {
      const headers = answer.headers();
      if (headers['last-modified']) {
        const key = decodeURIComponent(new URL(route.request().url()).pathname.slice('/files/'.length));
        headers['last-modified'] = new Date(modified(key)).toUTCString();
        headers.etag = '"9e107d9d372bb6826bd81d3542a419d6"';
      }
      return route.fulfill({ response: answer, headers });
    }
    const body = await answer.json();
    for (const each of body.files ?? []) each.last_modified = modified(each.key);
    for (const [at, each] of (body.versions ?? []).entries()) {
      each.last_modified = new Date(new Date(modified(each.key)) - at * 86_400_000).toISOString();
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
  selection: async ({ portal }) => {
    await portal.open();
    for (const key of ['Annual report 2025.pdf', 'Budget 2026.xlsx', 'logo.svg']) await portal.checkbox(key).click();
  },
  // Uploads at all stages. The answers are written here, so that each stays where it is.
  uploads: async ({ portal, page, folder }) => {
    const offsets = new Map();
    await page.route('**/uploads**', async (route) => {
      const request = route.request();
      if (request.method() === 'POST') {
        const id = new URL(request.url()).searchParams.get('key');
        return route.fulfill({ status: 201, headers: { location: `/uploads/${encodeURIComponent(id)}`, 'tus-resumable': '1.0.0', 'upload-offset': '0' } });
      }
      // Two pieces arrive, the third is on its way as long as the picture takes.
      const id = new URL(request.url()).pathname;
      const from = Number(request.headers()['upload-offset']);
      const pieces = offsets.get(id) ?? 0;
      const most = id.includes('Raw') ? 5 : 3;
      if (request.method() !== 'PATCH' || pieces >= most) return undefined;
      offsets.set(id, pieces + 1);
      return route.fulfill({
        status: 204,
        headers: { 'tus-resumable': '1.0.0', 'upload-offset': String(from + (request.postDataBuffer()?.length ?? 1 << 20)) },
      });
    });
    await portal.open();
    const paths = [
      await folder.file('Meeting minutes.md', Buffer.alloc(18_000, 'minutes ')),
      await folder.file('Site plan.svg', Buffer.alloc(42_000, '<svg/>')),
      await folder.file('logo.svg', Buffer.alloc(3_400, '<svg/>')),
      (await folder.big('Raw footage, day 3.mov', 24_000_000)).path,
      (await folder.big('Podcast episode 12.wav', 18_000_000)).path,
    ];
    await portal.choose(paths);
    await portal.uploadIs('Meeting minutes.md', 'stored');
    await portal.uploadIs('Site plan.svg', 'stored');
    await portal.dialog('This name exists already').waitFor();
    await page.keyboard.press('Escape');
    await portal.uploadIs('Raw footage, day 3.mov', 'uploading');
    await portal.uploadIs('Podcast episode 12.wav', 'uploading');
  },
  empty: async ({ portal }) => portal.open('#/talks/'),
};

async function shot(world, name, view, options) {
  const context = await newContext(options);
  const page = await context.newPage();
  await steady(page);
  await VIEWS[view]({ ...world, page, portal: new Portal(page, world.server.origin) });
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
