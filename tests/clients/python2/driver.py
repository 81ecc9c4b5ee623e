"""Drives the line of Nacos's Python SDK that speaks HTTP (2.x of the package): a command per line on standard input, an answer or an event per
line on standard output, all JSON (see README.md beside). Arguments: server address, and user and password if it asks for them."""

import ctypes
import json
import os
import signal
import sys
import threading
import time

from nacos import NacosClient
from nacos.listener import SubscribeListener

# The SDK asks that often what has changed.
SUBSCRIPTION_INTERVAL_S = 1
HEARTBEAT_INTERVAL_S = 5
PR_SET_PDEATHSIG = 1


class Driver:
    def __init__(self, arguments, out):
        self.arguments = arguments
        self.out = out
        self.clients = {}
        self.printing = threading.Lock()

    def run(self, command):
        return getattr(self, command["op"])(command)

    def register(self, command):
        instance = command["instance"]
        check(self.client(command).add_naming_instance(
            command["service"], instance["ip"], instance["port"], cluster_name=instance["cluster"], weight=instance["weight"],
            metadata=instance["metadata"], enable=instance["enabled"], healthy=instance["healthy"], ephemeral=instance["ephemeral"],
            group_name=command["group"], heartbeat_interval=HEARTBEAT_INTERVAL_S))

    def deregister(self, command):
        instance = command["instance"]
        check(self.client(command).remove_naming_instance(
            command["service"], instance["ip"], instance["port"], cluster_name=instance["cluster"], ephemeral=instance["ephemeral"],
            group_name=command["group"]))

    def batch(self, _command):
        raise NotImplementedError("not in this SDK: registration of a set")

    def select_one(self, _command):
        raise NotImplementedError("not in this SDK: choice of one instance")

    def service_list(self, _command):
        raise NotImplementedError("not in this SDK: list of services")

    def publish_config_cas(self, _command):
        raise NotImplementedError("not in this SDK: publication with a checksum")

    def subscribe(self, command):
        known = {}

        def changed(event, of):  # The SDK reports instance by instance; what it would have us know is the list.
            if event == "DELETED":
                known.pop(of.instance_id, None)
            else:
                known[of.instance_id] = of.instance
            self.event("instances", command, ["namespace", "group", "service"], instances=listed(known.values()))

        self.client(command).subscribe(
            SubscribeListener(changed, "changed"), SUBSCRIPTION_INTERVAL_S, service_name=command["service"], group_name=command["group"])

    def unsubscribe(self, command):
        self.client(command).unsubscribe(command["service"])

    def list(self, command):
        return listed(self.client(command).list_naming_instance(command["service"], group_name=command["group"])["hosts"])

    def publish_config(self, command):
        check(self.client(command).publish_config(command["data_id"], command["group"], command["content"]))

    def remove_config(self, command):
        check(self.client(command).remove_config(command["data_id"], command["group"]))

    def get_config(self, command):
        return self.client(command).get_config(command["data_id"], command["group"])

    def listen_config(self, command):
        def changed(told):
            self.event("config", command, ["namespace", "group", "data_id"], content=told["content"])

        self.client(command).add_config_watcher(command["data_id"], command["group"], changed)

    def client(self, command):
        key = (command["connection"], command["namespace"])
        if key not in self.clients:
            user = dict(zip(("username", "password"), self.arguments[1:]))
            # "public" is the default; to name it makes Nacos 2.x forget who listens.
            namespace = None if command["namespace"] == "public" else command["namespace"]
            self.clients[key] = NacosClient(
                self.arguments[0], namespace=namespace, logDir=os.path.abspath("logs"), **user)
            # Nothing of an earlier run, and nothing but the server's own word, may be answered.
            self.clients[key].set_options(no_snapshot=True, snapshot_base=os.path.abspath("snapshot"))
        return self.clients[key]

    def event(self, kind, command, names, **further):
        self.print({"event": kind, "at": now(), **{name: command[name] for name in names}, **further})

    def print(self, line):
        with self.printing:
            self.out.write(json.dumps(line) + "\n")
            self.out.flush()


def listed(instances):
    return [{"ip": one["ip"], "port": one["port"], "weight": one["weight"], "healthy": one["healthy"], "enabled": one["enabled"],
             "ephemeral": one["ephemeral"], "cluster": one["clusterName"], "metadata": one["metadata"]} for one in instances]


def check(done):
    if not done:
        raise RuntimeError("the SDK answers false")


def now():
    return time.time_ns() / 1e6


def die_with_the_driver():
    """The SDK forks a process that holds its lists; it would outlive a killed driver."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answer(driver, command):
    line = {"id": command["id"]}
    try:
        line["value"] = driver.run(command)
    except Exception as refused:  # Whatever the SDK throws is the answer.
        line["error"] = repr(refused)
    driver.print({**line, "at": now()})


def main():
    out, sys.stdout = sys.stdout, sys.stderr  # Standard output is for answers alone, whatever the SDK prints.
    os.register_at_fork(after_in_child=die_with_the_driver)
    driver = Driver(sys.argv[1:], out)
    for line in sys.stdin:
        answer(driver, json.loads(line))
    os._exit(0)  # Like a killed process, without a deregistration.


main()
