// Debian's Chromium, one for each test file, and a context for each test. Nothing in it reaches
// beyond loopback.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

// A name for this machine that, unlike localhost, a browser takes for a plain-HTTP site: it has no
// clipboard there.
export const PLAIN_HOST = 'portal.test';

let launched;

export function browser() {
  launched ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: !process.env.BROWSER_HEADED,
    args: [
      '--no-sandbox',
      '--disable-background-networking',
      '--no-proxy-server',
      `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost`,
    ],
  });
  return launched;
}

// A context of its own. Where BROWSER_WWW names a folder the page comes from there, not from the
// program: while it is worked on, nothing has to be built to see what a change does.
export async function newContext(options) {
  const context = await (await browser()).newContext({
    locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce', ...options,
  });
  context.setDefaultTimeout(15_000);
  const www = process.env.BROWSER_WWW;
  if (www) {
    const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
    const fileOf = (url) => join(www, new URL(url).pathname.slice(1) || 'index.html');
    await context.route((url) => existsSync(fileOf(url)), async (route) => {
      if (route.request().method() !== 'GET') return route.continue();
      const path = fileOf(route.request().url());
      const page = await fetch(new URL('/', route.request().url())).catch(() => null);
      return route.fulfill({
        contentType: types[path.split('.').pop()],
        headers: { 'content-security-policy': page?.headers.get('content-security-policy') ?? '' },
        body: readFileSync(path),
      });
    });
  }
  return context;
}

export async function close() {
  const open = await launched;
  launched = undefined;
  await open?.close();
}
