// Waiting for a condition outside of the browser. Inside, playwright waits by itself.

import { setTimeout as pause } from 'node:timers/promises';

// Asks again and again until `condition` gives something true, and gives that.
export async function until(what, condition, seconds = 20) {
  const end = performance.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`${seconds} s went by, and not yet: ${what} (last: ${last})`);
    await pause(20);
  }
}
