// A TCP proxy between browser and server. It counts what the browser sends, and is the wire that a
// test cuts or narrows.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export class Proxy {
  static async start(port) {
    const proxy = new Proxy();
    proxy.port = port;
    // Bytes from the browser that have left for the server.
    proxy.sent = 0;
    // Bytes a second in that direction, over all connections.
    proxy.rate = Infinity;
    proxy.pairs = new Set();
    proxy.down = false;
    proxy.free = 0;
    proxy.listener = createServer((near) => proxy.#join(near));
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    return proxy;
  }

  get origin() {
    return `http://127.0.0.1:${this.listener.address().port}`;
  }

  #join(near) {
    if (this.down) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.port, host: '127.0.0.1' });
    const pair = [near, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.on('error', end);
      socket.on('close', end);
    }
    far.pipe(near);
    this.#forward(near, far).then(() => far.end(), end);
  }

  async #forward(near, far) {
    for await (const chunk of near) {
      if (this.rate !== Infinity) {
        // Connections take turns: each chunk reserves its time on the one wire.
        const now = performance.now();
        this.free = Math.max(this.free, now) + chunk.length / this.rate * 1000;
        await pause(this.free - now);
      }
      this.sent += chunk.length;
      if (!far.write(chunk)) await once(far, 'drain');
    }
  }

  // Cuts every connection, and refuses new ones until `mend`.
  cut() {
    this.down = true;
    for (const [near, far] of [...this.pairs]) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  mend() {
    this.down = false;
  }

  async stop() {
    this.cut();
    this.listener.close();
  }
}
