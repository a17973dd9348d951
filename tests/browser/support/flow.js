// One test: a server on a store of its own, a page on it, and what each page must keep to whatever
// the test is about: no error in the console, nothing that its policy had to block, no script from
// a file's name.

import { after, test } from 'node:test';

import { Api } from './api.js';
import { close, newContext } from './browser.js';
import { Folder } from './files.js';
import { Place, STORES } from './place.js';
import { Portal } from './portal.js';
import { Proxy } from './proxy.js';

after(close);

// Registers a test for each store. `body` gets a world:
//   portal, page, context   the browser's side; watch(page) for a further page
//   api, server, place      the server's side
//   folder                  files to choose
//   proxy                   the wire between them, where `wire: true`
//   sending                 the requests with a body that have no answer yet
// Options:
//   stores      only these
//   settings    of the server
//   users       who may do what, where `settings` have AUTH
//   headers     what the tests' own requests to the API have
//   seed(api)   lays out what the page begins with
//   at          the address to open, none when false
//   context     playwright's options of the browser context
//   built       whether it holds of the page as it is built in only
//   tolerates   console errors that belong to what is tested
export function flow(name, options, body) {
  if (typeof options === 'function') return flow(name, {}, options);
  for (const store of STORES.filter((each) => (options.stores ?? STORES).includes(each))) {
    const skip = options.built && process.env.BROWSER_WWW ? 'the page comes from a folder' : false;
    test(`${name} (${store})`, { timeout: 120_000, skip }, async () => {
      const world = new World(store);
      try {
        await world.open(options);
        await body(world);
        world.assertClean(options.tolerates);
      } catch (error) {
        throw await world.told(error);
      } finally {
        await world.close();
      }
    });
  }
  return undefined;
}

class World {
  constructor(store) {
    this.store = store;
    this.faults = [];
    this.sending = new Set();
    this.watch = this.watch.bind(this);
  }

  async open({ settings = {}, users, headers, seed, at = '', context = {}, wire = false }) {
    this.folder = await Folder.new();
    this.place = await Place.new(this.store);
    const file = users && { AUTH_USERS_FILE: await this.folder.file('users.json', JSON.stringify(users)) };
    this.server = await this.place.serve({ ...settings, ...file });
    this.api = new Api(this.server, headers);
    await seed?.(this.api);
    if (wire) this.proxy = await Proxy.start(this.server.port);
    this.origin = (this.proxy ?? this.server).origin + this.server.base;
    this.context = await newContext(context);
    await this.context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error('blocked by the policy:', event.violatedDirective, event.blockedURI, event.sample);
      });
    });
    this.page = await this.context.newPage();
    this.watch(this.page);
    this.portal = new Portal(this.page, this.origin);
    if (at !== false) await this.portal.open(at);
  }

  // Collects what must not happen on a page.
  watch(page) {
    page.on('pageerror', (error) => this.faults.push(`uncaught: ${error.stack ?? error}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('request', (request) => {
      if (request.method() !== 'GET') this.sending.add(request);
    });
    page.on('requestfinished', (request) => this.sending.delete(request));
    page.on('requestfailed', (request) => this.sending.delete(request));
    page.on('dialog', (dialog) => {
      // A test that wants one listens itself.
      if (page.listenerCount('dialog') > 1) return;
      this.faults.push(`a dialog: ${dialog.type()} ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  assertClean(tolerates) {
    const faults = this.faults.filter((fault) => !tolerates?.test(fault));
    if (faults.length > 0) throw new Error(`the page was not clean:\n${faults.join('\n')}`);
  }

  // An error with what the page showed at that time.
  async told(error) {
    const seen = await this.page?.locator('body').ariaSnapshot({ timeout: 2_000 }).catch(() => '');
    const said = [error.stack ?? String(error)];
    if (this.faults.length > 0) said.push('', ...this.faults);
    if (seen) said.push('', 'The page showed:', seen.slice(0, 3_000));
    return new Error(said.join('\n'));
  }

  async close() {
    await this.context?.close();
    this.api?.close();
    await this.proxy?.stop();
    await this.server?.kill();
    await this.place?.remove();
    await this.folder?.remove();
  }
}
