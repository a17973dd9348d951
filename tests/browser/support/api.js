// The program's HTTP interface as the tests use it: to lay out what a test begins with, and to look
// at what the page has left there.

import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';

import { until } from './until.js';

function path(key) {
  return `/files/${key.split('/').map(encodeURIComponent).join('/')}`;
}

export class Api {
  // `headers` go with every request.
  constructor(server, headers = {}) {
    this.server = server;
    this.headers = headers;
    this.agent = new Agent({ keepAlive: true, maxSockets: 32 });
  }

  // One request. The body is discarded unless `keep`; its SHA-256 is always told.
  ask(method, address, { body, headers = {}, keep = true } = {}) {
    return new Promise((resolve, reject) => {
      const asked = request({
        host: '127.0.0.1', port: this.server.port, agent: this.agent, method, path: this.server.base + address,
        headers: { ...this.headers, ...headers, 'content-length': body === undefined ? 0 : Buffer.byteLength(body) },
      }, (answer) => {
        const hash = createHash('sha256');
        const chunks = [];
        answer.on('data', (chunk) => {
          hash.update(chunk);
          if (keep) chunks.push(chunk);
        });
        answer.on('error', reject);
        answer.on('end', () => resolve({
          status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks), sha256: hash.digest('hex'),
        }));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  async put(key, body = 'x', headers = {}) {
    const { status } = await this.ask('PUT', path(key), { body, headers });
    if (status !== 200 && status !== 201) throw new Error(`${key} was answered with ${status}`);
  }

  // With a date after another's: a store may tell whole seconds only.
  async putLater(key, body, than) {
    await until(`${key} is later than ${than}`, async () => {
      await this.put(key, body);
      return await this.date(key) > await this.date(than);
    });
  }

  async date(key) {
    const page = JSON.parse((await this.ask('GET', `/files?${new URLSearchParams({ prefix: key })}`)).body);
    return page.files[0].last_modified;
  }

  // Many keys at once, in no order.
  async seed(keys, body = 'x') {
    const left = [...keys];
    const worker = async () => {
      while (left.length > 0) await this.put(left.pop(), body);
    };
    await Promise.all(Array.from({ length: 32 }, worker));
  }

  get(key, options) {
    return this.ask('GET', path(key), options);
  }

  async text(key) {
    const { status, body } = await this.get(key);
    return status === 200 ? body.toString() : null;
  }

  async delete(key) {
    await this.ask('DELETE', path(key));
  }

  // Every key below a prefix.
  async keys(prefix = '') {
    const keys = [];
    let cursor = null;
    do {
      const query = new URLSearchParams({ prefix, limit: 1000, ...(cursor && { cursor }) });
      const page = JSON.parse((await this.ask('GET', `/files?${query}`)).body);
      keys.push(...page.files.map((file) => file.key));
      cursor = page.next_cursor;
    } while (cursor);
    return keys;
  }

  async versions(key) {
    return JSON.parse((await this.ask('GET', `${path(key)}?versions`)).body).versions;
  }

  close() {
    this.agent.destroy();
  }
}
