// Serves the built dashboard at `/` and hands everything else to a gateway, with the headers that the gateway sends with pages.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { extname, join, normalize } from 'node:path';

const KINDS = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types nacos-fed";

/**
 * @param {string} folder the built bundle
 * @param {string} gateway its URL
 * @param {number} port 0 for any
 */
export async function serve(folder, gateway, port = 0) {
  const target = new URL(gateway);
  const server = createServer((asked, answer) => {
    const { pathname } = new URL(asked.url, gateway);
    if (/^\/(v1|livez|readyz|metrics)(\/|$)/.test(pathname)) pass(target, asked, answer);
    else file(folder, pathname, answer).catch(() => answer.writeHead(500).end());
  });
  await new Promise((listening) => server.listen(port, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}

async function file(folder, pathname, answer) {
  const wanted = join(folder, normalize(pathname));
  const found = await stat(wanted).catch(() => null);
  const path = found?.isFile() ? wanted : join(folder, 'index.html');
  answer.writeHead(200, { 'content-type': KINDS[extname(path)] ?? 'application/octet-stream', 'content-security-policy': POLICY, 'cache-control': 'no-cache' });
  createReadStream(path).pipe(answer);
}

function pass(target, asked, answer) {
  const headers = { ...asked.headers, host: target.host };
  delete headers.origin; // The gateway would compare it with its own address.
  const passed = request({ host: target.hostname, port: target.port, method: asked.method, path: asked.url, headers }, (told) => {
    answer.writeHead(told.statusCode, told.headers);
    answer.flushHeaders();
    told.pipe(answer);
  });
  passed.on('error', () => answer.destroy());
  answer.on('close', () => passed.destroy());
  asked.pipe(passed);
}
