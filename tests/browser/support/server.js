// The program under test as a process, on a free port, with an environment of its own. Where its
// files lie is for place.js.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { until } from './until.js';

const BINARY = process.env.CLOUD_PORTFOLIO_BIN;

export class Server {
  // Resolves when it is ready. `settings` are all of its environment.
  static async start(settings) {
    if (!BINARY) throw new Error('CLOUD_PORTFOLIO_BIN is unset: run scripts/browser-test');
    const server = new Server();
    server.log = [];
    server.child = spawn(BINARY, [], {
      env: { HOST: '127.0.0.1', PORT: '0', WITHDRAW_SECONDS: '0', WEB_CONCURRENCY: '1', ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server.ended = once(server.child, 'exit');
    server.port = await new Promise((resolve, reject) => {
      server.ended.then(() => reject(new Error(`it ended at once:\n${server.log.join('\n')}`)));
      server.child.on('error', reject);
      createInterface({ input: server.child.stderr }).on('line', (line) => {
        server.log.push(line);
        const found = line.match(/listening on http:\/\/[^/\s]*:(\d+)/);
        if (found) resolve(Number(found[1]));
      });
    });
    server.base = settings.BASE_PATH ?? '';
    const ready = async () => (await fetch(`${server.origin}${server.base}/ready`)).ok;
    await until('the server is ready', ready).catch(async (error) => {
      await server.kill();
      throw new Error(`${error.message}\n${server.log.join('\n')}`);
    });
    return server;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  // Ends it at once, as a crash would.
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
