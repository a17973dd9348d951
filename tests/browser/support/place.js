// The stores that the tests run on. A place is a store of the test's own, that outlives the servers
// which use it.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Server } from './server.js';

// Which to run on: local, minio, or both.
export const STORES = (process.env.BROWSER_STORES ?? 'local').split(',');

const MINIO = ['BUCKET_NAME', 'AWS_REGION', 'AWS_ENDPOINT_URL_S3', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

// Memory, where there is some: each of 20,000 small files is synced to it.
const FAST = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export async function temporary(name = 'portal') {
  return mkdtemp(join(FAST, `${name}-`));
}

export class Place {
  static async new(store) {
    const place = new Place();
    if (store === 'minio') {
      place.settings = Object.fromEntries(MINIO.map((name) => {
        const value = process.env[`TEST_${name}`];
        if (!value) throw new Error(`TEST_${name} is unset: it needs MinIO; run scripts/browser-test`);
        return [name, value];
      }));
      // So that tests do not meet in the one bucket.
      place.settings.KEY_PREFIX = `browser-${randomBytes(8).toString('hex')}/`;
    } else {
      place.dir = await temporary();
      place.settings = { DATA_DIR: place.dir };
    }
    return place;
  }

  serve(settings = {}) {
    return Server.start({ ...this.settings, ...settings });
  }

  async remove() {
    if (this.dir) await rm(this.dir, { recursive: true, force: true });
  }
}
