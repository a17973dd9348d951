// Files on this machine's disk that a test lets people choose, drop or paste.

import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { once } from 'node:events';

import { temporary } from './place.js';

// A folder that a test fills.
export class Folder {
  static async new() {
    const folder = new Folder();
    folder.path = await temporary('chosen');
    return folder;
  }

  // A file of this text or these bytes; its path.
  async file(name, content = name) {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  // A file of so many random bytes, no two blocks of which are the same.
  async big(name, bytes) {
    const path = join(this.path, name);
    await mkdir(dirname(path), { recursive: true });
    const hash = createHash('sha256');
    const out = createWriteStream(path);
    const block = randomBytes(1 << 20);
    for (let at = 0; at < bytes; at += block.length) {
      const chunk = Buffer.from(block.subarray(0, Math.min(block.length, bytes - at)));
      randomFillSync(chunk, 0, Math.min(64, chunk.length));
      hash.update(chunk);
      if (!out.write(chunk)) await once(out, 'drain');
    }
    out.end();
    await once(out, 'close');
    return { path, sha256: hash.digest('hex') };
  }

  async remove() {
    await rm(this.path, { recursive: true, force: true });
  }
}
