// Files are looked into without leaving the page, whatever they are, and nothing in them runs.

import assert from 'node:assert/strict';

import { flow } from './support/flow.js';
import { pdf, png, wav, webm } from './support/samples.js';
import { until } from './support/until.js';

async function open(portal, name) {
  await portal.openItem(name);
  const details = portal.dialog(name);
  await details.waitFor();
  return details.locator('#preview');
}

flow('a picture is shown', { seed: (api) => api.put('a.png', png(80, 60), { 'content-type': 'image/png' }) }, async ({ portal }) => {
  const preview = await open(portal, 'a.png');
  const image = preview.locator('img');
  await until('it is drawn', () => image.evaluate((each) => each.complete && each.naturalWidth === 80));
  assert.notEqual(await image.getAttribute('alt'), null);
});

flow('text is shown, the beginning of it where it is long', {
  seed: async (api) => {
    await api.put('a.txt', 'Grüße, <b>world</b>', { 'content-type': 'text/plain' });
    await api.put('long.log', `beginning\n${'line of a log\n'.repeat(500_000)}`, { 'content-type': 'text/plain' });
  },
}, async ({ portal, page }) => {
  const preview = await open(portal, 'a.txt');
  await preview.getByText('Grüße, <b>world</b>').waitFor();
  await page.keyboard.press('Escape');
  await portal.dialog('a.txt').waitFor({ state: 'hidden' });
  const long = await open(portal, 'long.log');
  await long.getByText('beginning').waitFor();
  assert.ok((await long.textContent()).length < 2_000_000, 'not all of it');
});

flow('a PDF is shown in a frame of its own', { seed: (api) => api.put('a.pdf', pdf('Hello'), { 'content-type': 'application/pdf' }) }, async ({ portal }) => {
  const preview = await open(portal, 'a.pdf');
  const frame = preview.locator('iframe, object, embed');
  await frame.waitFor();
  const box = await frame.boundingBox();
  assert.ok(box.width > 100 && box.height > 100);
});

flow('audio can be played', { seed: (api) => api.put('a.wav', wav(), { 'content-type': 'audio/wav' }) }, async ({ portal }) => {
  const audio = (await open(portal, 'a.wav')).locator('audio');
  await until('its length is known', () => audio.evaluate((each) => each.duration > 0.9 && each.controls));
});

flow('video can be played', { at: false }, async ({ portal, context, api }) => {
  await api.put('a.webm', await webm(context), { 'content-type': 'video/webm' });
  await portal.open();
  const video = (await open(portal, 'a.webm')).locator('video');
  await until('its first picture is there', () => video.evaluate((each) => each.videoWidth === 160 && each.readyState >= 2 && each.controls));
  // Played, not only laid out.
  await video.evaluate((each) => each.play());
  await until('it moves', () => video.evaluate((each) => each.currentTime > 0));
});

flow('what cannot be shown says so, with the way to download it', { seed: (api) => api.put('a.bin', Buffer.alloc(100), { 'content-type': 'application/octet-stream' }) }, async ({ portal }) => {
  const preview = await open(portal, 'a.bin');
  await until('it says so', async () => (await preview.textContent()).trim() !== '');
  await portal.dialog('a.bin').getByRole('link', { name: 'Download', exact: true })
    .or(portal.dialog('a.bin').getByRole('button', { name: 'Download', exact: true })).waitFor();
});

flow('details tell size, type, date, ETag and what was stored with it', {
  seed: (api) => api.put('a.txt', 'x'.repeat(1234), { 'content-type': 'text/plain', 'x-amz-meta-camera': 'Leica <M6>', 'cache-control': 'max-age=60' }),
}, async ({ portal, api }) => {
  await portal.openItem('a.txt');
  const facts = portal.dialog('a.txt').locator('#facts');
  await facts.getByText('text/plain').waitFor();
  const told = await facts.textContent();
  const { headers } = await api.get('a.txt');
  assert.match(told, /1\.2\s?kB|1,234/i);
  assert.ok(told.includes(headers.etag.replaceAll('"', '')), told);
  assert.ok(told.includes('Leica <M6>'), told);
  assert.match(told, /20\d\d/);
});

flow('an address of a file that is gone says so', { tolerates: /status of 404/, at: false, seed: (api) => api.put('in/a.txt') }, async ({ page, portal }) => {
  await page.goto(`${portal.origin}/#/in/gone.txt`);
  await portal.row('in/a.txt').waitFor();
  await page.getByText(/not (there|found|exist)|no (such|file|object)|gone/i).filter({ visible: true }).first().waitFor();
});

flow('a PDF that would be downloaded from its frame gets none', {
  seed: (api) => api.put('a.pdf', pdf('content'), { 'content-type': 'application/pdf; profile=x' }),
}, async ({ portal, page }) => {
  page.on('download', (download) => assert.fail(download.url()));
  const preview = await open(portal, 'a.pdf');
  await portal.says(preview, 'no preview');
  assert.equal(await preview.locator('iframe').count(), 0);
});
