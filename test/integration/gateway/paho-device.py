# SPDX-License-Identifier: Apache-2.0
"""A device that speaks MQTT by paho.

    paho-device.py HOST PORT CA CERTIFICATE KEY CLIENT-ID VERSION EXPIRY-SECONDS [TOPIC WILL]

VERSION is 4 or 5; a session that is kept for EXPIRY-SECONDS is taken up again, and at 0 each
connection starts anew. Commands come on standard input, one JSON a line, and each is answered on
standard output by one JSON a line: {"do": "connect"}, {"do": "subscribe", "filter": …, "qos": …},
{"do": "publish", "topic": …, "payload": …, "qos": …}, {"do": "hear"} (the next message that came)
and {"do": "disconnect"}. WILL is left at TOPIC by whoever goes without that.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TIMEOUT_S = 20


class Device:
    def __init__(self, host, port, ca, certificate, key, client_id, version, expiry, *will):
        self.host, self.port = host, int(port)
        self.version, self.expiry = int(version), int(expiry)
        self.answers, self.messages = queue.Queue(), queue.Queue()
        kept = {} if self.version == 5 else {"clean_session": self.expiry == 0}
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=self.version, **kept
        )
        if will:
            client.will_set(will[0], will[1], qos=2)
        client.tls_set(ca, certificate, key)
        client.tls_insecure_set(True)
        client.on_connect = lambda _c, _u, flags, code, _p: self.answers.put(
            {"code": code.value, "present": bool(flags.session_present)}
        )
        client.on_subscribe = lambda _c, _u, _m, codes, _p: self.answers.put(
            {"codes": [code.value for code in codes]}
        )
        client.on_publish = lambda _c, _u, _m, code, _p: self.answers.put({"code": code.value})
        client.on_disconnect = lambda _c, _u, _f, code, _p: self.answers.put({"code": code.value})
        client.on_message = lambda _c, _u, message: self.messages.put(
            {
                "topic": message.topic,
                "payload": message.payload.decode("utf8"),
                "qos": message.qos,
                "dup": bool(message.dup),
            }
        )
        self.client = client

    def connect(self):
        kept = {}
        if self.version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self.expiry
            kept = {"clean_start": self.expiry == 0, "properties": properties}
        self.client.connect(self.host, self.port, keepalive=10, **kept)
        self.client.loop_start()
        return self.answers.get(timeout=TIMEOUT_S)

    def obey(self, command):
        todo = command.pop("do")
        if todo == "connect":
            return self.connect()
        if todo == "hear":
            return self.messages.get(timeout=TIMEOUT_S)
        if todo == "subscribe":
            self.client.subscribe(command["filter"], command["qos"])
        elif todo == "publish":
            self.client.publish(command["topic"], command["payload"], command["qos"])
        elif todo == "disconnect":
            self.client.disconnect()
        answer = self.answers.get(timeout=TIMEOUT_S)
        if todo == "disconnect":
            self.client.loop_stop()
        return answer


device = Device(*sys.argv[1:])
for line in sys.stdin:
    print(json.dumps(device.obey(json.loads(line))), flush=True)
