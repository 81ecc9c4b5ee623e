// The demo as one process: three regions, a broker, a shop. What it prints says where everything listens; orders go to its control port.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Gateway } from './gateway.js';
import { until } from './await.js';

export const REGIONS = ['shanghai', 'frankfurt', 'virginia'];
/** The shop's script would change things under the tests: they change what they need by themselves. */
const SCRIPT_EVERY = '1h';

/** Three regions that run. */
export class Demo {
  /**
   * @param {string} program path of `nacos-fed`
   * @param {(folder: string) => Promise<string> | string} [settings] sections of each gateway's configuration, given a folder for files
   */
  static async start(program, settings) {
    const demo = new Demo();
    demo.folder = await mkdtemp(join(tmpdir(), 'nacos-fed-dashboard-'));
    const args = ['demo', '--every', SCRIPT_EVERY, '--format', 'json', '--control-port', '0', '--for', '1h'];
    if (settings) {
      const file = join(demo.folder, 'settings.yaml');
      await writeFile(file, await settings(demo.folder));
      args.push('--settings', file);
    }
    demo.child = spawn(program, args, {
      env: { PATH: '', TMPDIR: demo.folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    demo.told = [];
    demo.ended = new Promise((resolve) => demo.child.once('exit', resolve));
    const lines = createInterface({ input: demo.child.stderr });
    lines.on('line', (line) => demo.told.push(line));
    await until('the demo opens its shop', () => demo.find(/the shop opens/), 60_000);
    demo.read();
    return demo;
  }

  find(pattern) {
    if (this.child.exitCode !== null) throw new Error(`the demo ended with ${this.child.exitCode}:\n${this.told.join('\n')}`);
    for (const line of this.told) {
      const match = pattern.exec(line);
      if (match) return match;
    }
    return null;
  }

  /** Addresses, out of what was printed. */
  read() {
    this.broker = this.find(/in the place of Kafka, ([\d.:]+)/)[1];
    this.control = `http://127.0.0.1:${this.find(/--control-port (\d+)/)?.[1] ?? 7069}`;
    this.regions = {};
    let region;
    for (const line of this.told) {
      const gateway = /^\s+(\w+)\s+gateway\s+(http:\S+)/.exec(line);
      if (gateway) {
        region = { gateway: new Gateway(gateway[2]) };
        this.regions[gateway[1]] = region;
      }
      const door = /^\s+door\s+([\d.:]+)/.exec(line);
      if (door && region) region.door = `http://${door[1]}`;
      const registry = /^\s+registry\s+(http:\S+)/.exec(line);
      if (registry && region) region.registry = registry[1];
    }
  }

  /** @returns {Gateway} that of a region */
  gateway(region = 'shanghai') {
    return this.regions[region].gateway;
  }

  /** Stops `kafka`, `REGION`, `REGION-registry` or `REGION/INSTANCE`; done when it returns. */
  async stop(target) {
    return this.order('stop', target);
  }

  /** Starts it again. */
  async run(target) {
    return this.order('start', target);
  }

  async order(action, target) {
    const answer = await fetch(`${this.control}/v1/${action}?target=${encodeURIComponent(target)}`, { method: 'POST' });
    if (!answer.ok) throw new Error(`${action} ${target}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Each region live in the eyes of each: where a case begins and ends. */
  async whole() {
    for (const observer of REGIONS) {
      await until(`${observer} sees all live`, async () => {
        const { clusters } = await this.gateway(observer).get('/v1/clusters');
        return clusters.length >= REGIONS.length && clusters.every((one) => one.freshness === 'live');
      });
    }
  }

  /** Registers an instance at a region's registry as a client of Nacos does over HTTP; it lives as long as it beats or is persistent. */
  async register(region, instance) {
    return this.nacos(region, 'POST', '/nacos/v1/ns/instance', { ephemeral: 'false', ...instance });
  }

  /** Takes it back. */
  async deregister(region, instance) {
    return this.nacos(region, 'DELETE', '/nacos/v1/ns/instance', { ephemeral: 'false', ...instance });
  }

  /** Publishes a config item at a region's registry. */
  async publish(region, dataId, content, group = 'SHOP') {
    return this.nacos(region, 'POST', '/nacos/v1/cs/configs', { dataId, group, content });
  }

  async nacos(region, method, path, fields) {
    const answer = await fetch(`${this.regions[region].registry}${path}?${new URLSearchParams(fields)}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  }

  async end() {
    this.child.kill('SIGINT');
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}
