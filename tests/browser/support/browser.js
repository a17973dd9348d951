// Debian's Chromium, one for each test file, and a context for each test. Nothing in it reaches
// beyond loopback.

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

export async function close() {
  const open = await launched;
  launched = undefined;
  await open?.close();
}
