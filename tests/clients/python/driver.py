"""Drives Nacos's Python SDK: a command per line on standard input, an answer or an event per line on standard output, all JSON (see
README.md beside). Arguments: server address, and user and password if it asks for them."""

import asyncio
import json
import os
import sys
import time

from v2.nacos import (BatchRegisterInstanceParam, ClientConfigBuilder, ConfigParam, DeregisterInstanceParam, ListInstanceParam,
                      ListServiceParam, NacosConfigService, NacosNamingService, RegisterInstanceParam, SubscribeServiceParam)

# One line holds a whole configuration item.
LINE_LIMIT_BYTES = 64 << 20
PAGE_SIZE = 100


class Driver:
    def __init__(self, arguments, out):
        self.arguments = arguments
        self.out = out
        self.namings = {}
        self.configs = {}
        self.subscriptions = {}

    async def run(self, command):
        return await getattr(self, command["op"])(command)

    async def register(self, command):
        check(await (await self.naming(command)).register_instance(registration(command, command["instance"])))

    async def deregister(self, command):
        instance = command["instance"]
        check(await (await self.naming(command)).deregister_instance(DeregisterInstanceParam(
            service_name=command["service"], group_name=command["group"], ip=instance["ip"], port=instance["port"],
            cluster_name=instance["cluster"], ephemeral=instance["ephemeral"])))

    async def batch(self, command):
        instances = [registration(command, instance) for instance in command["instances"]]
        check(await (await self.naming(command)).batch_register_instances(BatchRegisterInstanceParam(
            service_name=command["service"], group_name=command["group"], instances=instances)))

    async def subscribe(self, command):
        async def changed(instances):
            self.event("instances", command, ["namespace", "group", "service"], instances=listed(instances))

        subscription = SubscribeServiceParam(
            service_name=command["service"], group_name=command["group"], subscribe_callback=changed)
        self.subscriptions[subscribed(command)] = subscription
        await (await self.naming(command)).subscribe(subscription)

    async def unsubscribe(self, command):
        await (await self.naming(command)).unsubscribe(self.subscriptions.pop(subscribed(command)))

    async def select_one(self, _command):
        raise NotImplementedError("not in this SDK: choice of one instance")

    async def service_list(self, command):
        services = await (await self.naming(command)).list_services(ListServiceParam(
            namespace_id=command["namespace"], group_name=command["group"], page_no=1, page_size=PAGE_SIZE))
        return {"count": services.count, "names": services.services}

    async def list(self, command):
        return listed(await (await self.naming(command)).list_instances(ListInstanceParam(
            service_name=command["service"], group_name=command["group"], subscribe=False, healthy_only=None)))

    async def publish_config(self, command):
        check(await (await self.config(command)).publish_config(ConfigParam(
            data_id=command["data_id"], group=command["group"], content=command["content"])))

    async def publish_config_cas(self, command):
        check(await (await self.config(command)).publish_config(ConfigParam(
            data_id=command["data_id"], group=command["group"], content=command["content"], cas_md5=command["md5"])))

    async def remove_config(self, command):
        check(await (await self.config(command)).remove_config(ConfigParam(data_id=command["data_id"], group=command["group"])))

    async def get_config(self, command):
        content = await (await self.config(command)).get_config(ConfigParam(data_id=command["data_id"], group=command["group"]))
        return content or None  # The SDK's word for a missing item is "", and it publishes nothing empty.

    async def listen_config(self, command):
        async def changed(_tenant, _group, _data_id, content):
            self.event("config", command, ["namespace", "group", "data_id"], content=content)

        await (await self.config(command)).add_listener(command["data_id"], command["group"], changed)

    async def naming(self, command):
        key = (command["connection"], command["namespace"])
        if key not in self.namings:
            self.namings[key] = await NacosNamingService.create_naming_service(self.settings(command))
        return self.namings[key]

    async def config(self, command):
        key = (command["connection"], command["namespace"])
        if key not in self.configs:
            self.configs[key] = await NacosConfigService.create_config_service(self.settings(command))
        return self.configs[key]

    def settings(self, command):
        builder = ClientConfigBuilder().server_address(self.arguments[0]).namespace_id(command["namespace"])
        # Nothing of an earlier run may be answered.
        builder = builder.load_cache_at_start(False).log_dir(os.path.abspath("logs")).cache_dir(os.path.abspath("cache"))
        if len(self.arguments) > 1:
            builder = builder.username(self.arguments[1]).password(self.arguments[2])
        return builder.build()

    def event(self, kind, command, names, **further):
        self.print({"event": kind, "at": now(), **{name: command[name] for name in names}, **further})

    def print(self, line):
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()


def registration(command, instance):
    return RegisterInstanceParam(
        service_name=command["service"], group_name=command["group"], ip=instance["ip"], port=instance["port"],
        weight=instance["weight"], healthy=instance["healthy"], enabled=instance["enabled"], metadata=instance["metadata"],
        cluster_name=instance["cluster"], ephemeral=instance["ephemeral"])


def listed(instances):
    return [{"ip": one.ip, "port": one.port, "weight": one.weight, "healthy": one.healthy, "enabled": one.enabled,
             "ephemeral": one.ephemeral, "cluster": one.clusterName, "metadata": one.metadata} for one in instances]


def subscribed(command):
    return tuple(command[name] for name in ("connection", "namespace", "group", "service"))


def check(done):
    if not done:
        raise RuntimeError("the SDK answers false")


def now():
    return time.time_ns() / 1e6


async def answer(driver, command):
    line = {"id": command["id"]}
    try:
        line["value"] = await driver.run(command)
    except Exception as refused:  # Whatever the SDK throws is the answer.
        line["error"] = repr(refused)
    driver.print({**line, "at": now()})


async def main():
    out, sys.stdout = sys.stdout, sys.stderr  # Standard output is for answers alone, whatever the SDK prints.
    driver = Driver(sys.argv[1:], out)
    reader = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await answer(driver, json.loads(line))
    os._exit(0)  # Like a killed process, without a deregistration.


asyncio.run(main())
