// Drives Nacos's Node SDK: a command per line on standard input, an answer or an event per line on standard output, all JSON (see README.md
// beside). Arguments: server address, and user and password if it asks for them.
'use strict';

const path = require('path');
const readline = require('readline');
const { NacosConfigClient, NacosNamingClient } = require('nacos');

// Standard output is for answers alone, whatever the SDK prints there.
const write = process.stdout.write.bind(process.stdout);
const print = line => write(JSON.stringify(line) + '\n');
process.stdout.write = (...printed) => process.stderr.write(...printed);

const now = () => performance.timeOrigin + performance.now();

// A lost connection is an event of the SDK's that ends the process if nobody listens.
const heard = client => {
  client.on('error', error => console.error(error));
  return client;
};

const absent = what => {
  throw new Error(`not in this SDK: ${what}`);
};

const check = done => {
  if (!done) throw new Error('the SDK answers false');
};

const registration = instance => ({
  ip: instance.ip, port: instance.port, weight: instance.weight, healthy: instance.healthy, enabled: instance.enabled,
  ephemeral: instance.ephemeral, clusterName: instance.cluster, metadata: instance.metadata,
});

const listed = hosts => hosts.map(one => ({
  ip: one.ip, port: one.port, weight: one.weight, healthy: one.healthy, enabled: one.enabled, ephemeral: one.ephemeral,
  cluster: one.clusterName, metadata: one.metadata,
}));

class Driver {
  constructor([server, username, password]) {
    Object.assign(this, { server, username, password });
    this.clients = new Map();
    this.listeners = new Map();
  }

  async register(command) {
    await (await this.naming(command)).registerInstance(command.service, registration(command.instance), command.group);
  }

  async deregister(command) {
    await (await this.naming(command)).deregisterInstance(command.service, registration(command.instance), command.group);
  }

  batch() {
    absent('registration of a set');
  }

  select_one() {
    absent('choice of one instance');
  }

  service_list() {
    absent('list of services');
  }

  publish_config_cas() {
    absent('publication with a checksum');
  }

  async subscribe(command) {
    const { namespace, group, service } = command;
    const listener = hosts => print({ event: 'instances', at: now(), namespace, group, service, instances: listed(hosts) });
    this.listeners.set([command.connection, namespace, group, service].join('\u001f'), listener);
    (await this.naming(command)).subscribe({ serviceName: service, groupName: group }, listener);
  }

  async unsubscribe(command) {
    const { namespace, group, service } = command;
    const listener = this.listeners.get([command.connection, namespace, group, service].join('\u001f'));
    (await this.naming(command)).unSubscribe({ serviceName: service, groupName: group }, listener);
  }

  async list(command) {
    return listed(await (await this.naming(command)).getAllInstances(command.service, command.group, '', false));
  }

  async publish_config(command) {
    check(await this.config(command).publishSingle(command.data_id, command.group, command.content));
  }

  async remove_config(command) {
    check(await this.config(command).remove(command.data_id, command.group));
  }

  async get_config(command) {
    const content = await this.config(command).getConfig(command.data_id, command.group);
    return content === undefined ? null : content;
  }

  listen_config(command) {
    const { namespace, group, data_id } = command;
    const listener = content => print({ event: 'config', at: now(), namespace, group, data_id, content });
    this.config(command).subscribe({ dataId: data_id, group }, listener);
  }

  async naming(command) {
    const { namespace } = command;
    const client = this.kept(['naming', command.connection, namespace], () => heard(new NacosNamingClient({
      logger: console, serverList: this.server, namespace, username: this.username, password: this.password,
    })));
    await client.ready();
    return client;
  }

  config(command) {
    // "public" is the default; to name it makes Nacos 2.x forget who listens.
    const namespace = command.namespace === 'public' ? '' : command.namespace;
    return this.kept(['config', command.connection, namespace], () => heard(new NacosConfigClient({
      serverAddr: this.server, namespace, username: this.username, password: this.password, cacheDir: path.resolve('cache'),
    })));
  }

  kept(key, make) {
    const name = key.join('\u001f');
    if (!this.clients.has(name)) this.clients.set(name, make());
    return this.clients.get(name);
  }
}

const main = async () => {
  const driver = new Driver(process.argv.slice(2));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    const answer = { id: command.id };
    try {
      const value = await driver[command.op](command);
      answer.value = value === undefined ? null : value;
    } catch (refused) { // Whatever the SDK throws is the answer.
      answer.error = String(refused);
    }
    print({ ...answer, at: now() });
  }
  process.exit(0); // Like a killed process, without a deregistration.
};

main();
