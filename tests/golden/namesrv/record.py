#!/usr/bin/env python3
"""Asks a real Apache RocketMQ name server and keeps what it answers, as golden data for src/namesrv/golden.rs.

    record.py LIB_DIR HOME_DIR [scenario ...]     LIB_DIR: the 5.3.3 jars, HOME_DIR: a ROCKETMQ_HOME with an empty conf/

Each scenario gets a fresh server on port 19876. A step is a request on a numbered connection with its answer, or the
closing of a connection. Bodies are kept as text exactly as they were on the wire, dialect and all. `settle` marks the
places where the real one works in the background (it unregisters in batches) and the recorder waited.
"""
import base64, json, os, socket, struct, subprocess, sys, tempfile, time, zlib

PORT = 19876
HERE = os.path.dirname(os.path.abspath(__file__))
V533, V452 = 479, 317


class Server:
    def __init__(self, lib, home, properties):
        self.lib, self.home = lib, home
        self.dir = tempfile.mkdtemp(prefix="namesrv-golden-")
        conf = os.path.join(self.dir, "namesrv.conf")
        with open(conf, "w") as f:
            f.write(f"listenPort={PORT}\nkvConfigPath={self.dir}/kvConfig.json\nconfigStorePath={self.dir}/namesrv.properties\n")
            for k, v in properties.items():
                f.write(f"{k}={v}\n")
        env = dict(os.environ, ROCKETMQ_HOME=home)
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", f"-Duser.home={self.dir}", "-cp", f"{home}/conf:{lib}/*",
             "org.apache.rocketmq.namesrv.NamesrvStartup", "-c", conf],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", PORT)).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the name server did not start")

    def file(self, name):
        time.sleep(0.2)
        with open(os.path.join(self.dir, name)) as f:
            return f.read().replace(self.dir, "DIR")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Recording:
    def __init__(self, name, server, properties):
        self.name, self.server, self.properties = name, server, properties
        self.connections, self.steps, self.opaque = {}, [], 0

    def ask(self, code, fields=None, body=None, version=V533, connection=0, raw_body=None):
        s = self.connections.get(connection)
        if s is None:
            s = self.connections[connection] = socket.create_connection(("127.0.0.1", PORT))
            s.settimeout(5)
        self.opaque += 1
        header = {"code": code, "flag": 0, "language": "JAVA", "opaque": self.opaque,
                  "serializeTypeCurrentRPC": "JSON", "version": version}
        if fields is not None:
            header["extFields"] = fields
        h = json.dumps(header).encode()
        b = raw_body if raw_body is not None else (body or "").encode()
        s.sendall(struct.pack(">II", 4 + len(h) + len(b), len(h)) + h + b)
        data = self.read(s, struct.unpack(">I", self.read(s, 4))[0])
        n = struct.unpack(">I", data[:4])[0] & 0xFFFFFF
        answer, answer_body = json.loads(data[4:4 + n]), data[4 + n:]
        assert answer["opaque"] == self.opaque
        assert answer["flag"] & 1 == 1
        request = {"code": code, "version": version}
        if fields is not None:
            request["extFields"] = fields
        if raw_body is not None:
            request["bodyBase64"] = base64.b64encode(raw_body).decode()
        elif body is not None:
            request["body"] = body
        kept = {"code": answer["code"]}
        for k in ("remark", "extFields"):
            if answer.get(k) is not None and answer.get(k) != {}:
                kept[k] = answer[k]
        if answer_body:
            kept["body"] = answer_body.decode().replace(self.server.dir, "DIR")
        self.steps.append({"connection": connection, "request": request, "answer": kept})
        return answer, answer_body

    @staticmethod
    def read(s, n):
        out = b""
        while len(out) < n:
            piece = s.recv(n - len(out))
            if not piece:
                raise EOFError("closed")
            out += piece
        return out

    def close(self, connection):
        self.connections.pop(connection).close()
        self.steps.append({"close": connection})
        self.settle()

    def settle(self):
        time.sleep(0.4)
        self.steps.append({"settle": True})

    def file(self, name):
        self.steps.append({"file": name, "text": self.server.file(name)})

    def save(self):
        with open(os.path.join(HERE, self.name + ".json"), "w") as f:
            json.dump({"server": "Apache RocketMQ 5.3.3", "properties": self.properties, "steps": self.steps},
                      f, indent=1, ensure_ascii=False)
            f.write("\n")


def topic(name, read=4, write=4, perm=6, sys_flag=0, attributes=None):
    t = {"attributes": attributes or {}, "order": False, "perm": perm, "readQueueNums": read, "topicFilterType": "SINGLE_TAG",
         "topicName": name, "topicSysFlag": sys_flag, "writeQueueNums": write}
    return name, t


def version(counter, timestamp=1700000000000, state=0):
    return {"counter": counter, "stateVersion": state, "timestamp": timestamp}


def registration(topics, data_version, filter_servers=(), mapping=""):
    table = ",".join(json.dumps(n, ensure_ascii=False) + ":" + json.dumps(t, separators=(",", ":"), ensure_ascii=False) for n, t in topics)
    v = json.dumps(data_version, separators=(",", ":"))
    return ('{"filterServerList":' + json.dumps(list(filter_servers)) + ',"topicConfigSerializeWrapper":{"dataVersion":' + v +
            ',"mappingDataVersion":' + v + ',"topicConfigTable":{' + table + '},"topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{' + mapping + '}}}')


def fields(name="broker-a", addr="10.0.0.1:10911", cluster="C1", id=0, ha=None, crc_of=None, **more):
    f = {"brokerName": name, "brokerAddr": addr, "clusterName": cluster, "brokerId": str(id),
         "haServerAddr": ha or addr.replace("10911", "10912"), "compressed": "false"}
    if crc_of is not None:
        f["bodyCrc32"] = str(zlib.crc32(crc_of.encode()) & 0x7FFFFFFF)
    f.update({k: str(v) for k, v in more.items()})
    return f


def register(r, topics, data_version, connection=1, request_version=V533, filter_servers=(), mapping="", **f):
    body = registration(topics, data_version, filter_servers, mapping)
    r.ask(103, fields(crc_of=body, **f), body, version=request_version, connection=connection)


def route(r, name, **more):
    r.ask(105, {"topic": name, **more}, version=V533)
    r.ask(105, {"topic": name, **more}, version=V452)


UNIT = ("register", "slaves", "acting", "topics", "kv", "odd", "compressed", "properties", "options", "waiting")


def scenario_register(r):
    route(r, "T1")
    r.ask(106)
    r.ask(304)
    register(r, [topic("T1")], version(1))                      # a first registration with one topic is refused
    r.ask(106)
    register(r, [topic("T1"), topic("T2", 8, 8, 4)], version(1))
    r.ask(106)
    r.ask(106, version=V452)
    route(r, "T1")
    route(r, "T2")
    r.ask(105, {"topic": "T1", "acceptStandardJsonOnly": "true"}, version=V452)
    r.ask(105, {"topic": "T1", "acceptStandardJsonOnly": "TRUE"}, version=400)
    r.ask(105, {"topic": "T1"}, version=400)
    r.ask(105, {"topic": "T1"}, version=401)
    register(r, [topic("T1", 16, 16), topic("T2", 8, 8, 4)], version(1))   # same data version: not read again
    route(r, "T1")
    register(r, [topic("T1", 16, 16), topic("T2", 8, 8, 4), topic("T3")], version(1))   # a new topic is taken anyhow
    route(r, "T1")
    route(r, "T3")
    register(r, [topic("T1", 16, 16), topic("T2", 8, 8, 6)], version(2))   # changed; T3 stays although it is missing
    route(r, "T1")
    route(r, "T2")
    route(r, "T3")
    register(r, [topic("T1", 5, 5)], version(3))                # one topic of a known broker: taken
    route(r, "T1")
    register(r, [topic("T1", 6, 6, 2, 3), topic("X")], version(1), name="broker-b", addr="10.0.0.2:10911", connection=2)
    route(r, "T1")
    route(r, "X")
    r.ask(106)
    r.ask(206)
    r.ask(304)
    register(r, [topic("中文/T"), topic("Q\"\\")], version(1), name="broker/ü", addr="[::1]:10911", cluster="C2", connection=3)
    route(r, "中文/T")
    route(r, "Q\"\\")
    r.ask(224, {"cluster": "C1"})
    r.ask(224, {"cluster": "C2"})
    r.ask(224, {"cluster": "none"})
    r.ask(322, {"brokerName": "broker-a", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1", "brokerId": "0"}, json.dumps(version(3)))
    r.ask(322, {"brokerName": "broker-a", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1", "brokerId": "0"}, json.dumps(version(4)))
    r.ask(322, {"brokerName": "broker-z", "brokerAddr": "10.0.0.9:10911", "clusterName": "C1", "brokerId": "0"}, json.dumps(version(4)))
    r.ask(904, {"brokerName": "broker-a", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1"})
    r.ask(904, {"brokerName": "broker-z", "brokerAddr": "10.0.0.9:10911", "clusterName": "C1"})
    r.ask(104, {"brokerName": "broker-b", "brokerAddr": "10.0.0.2:10911", "clusterName": "C1", "brokerId": "0"})
    r.settle()
    r.ask(106)
    route(r, "T1")
    route(r, "X")
    r.ask(206)
    r.close(3)
    r.ask(106)
    route(r, "中文/T")
    r.close(1)
    r.ask(106)
    route(r, "T1")
    r.ask(206)
    register(r, [], version(1), connection=1)                   # no topics at all: a broker without topics
    r.ask(106)
    register(r, [topic("T1")], version(1), connection=1)        # known by now; the same version, but the topic is new
    route(r, "T1")
    r.ask(104, {"brokerName": "broker-q", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1", "brokerId": "0"})   # another name, same address
    r.settle()
    r.ask(106)
    r.ask(322, {"brokerName": "broker-a", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1", "brokerId": "0"}, json.dumps(version(1)))


def scenario_slaves(r):
    t = [topic("T1"), topic("T2")]
    register(r, t, version(1), id=1, addr="10.0.0.11:10911", connection=2)      # a slave first: no master known
    r.ask(106)
    route(r, "T1")
    register(r, t, version(1), connection=1)
    route(r, "T1")
    register(r, t, version(1), id=1, addr="10.0.0.11:10911", connection=2)      # now it learns its master
    register(r, [topic("T1", 9, 9), topic("T3")], version(7), id=1, addr="10.0.0.11:10911", connection=2)   # a slave's topics do not count
    route(r, "T1")
    route(r, "T3")
    register(r, t, version(1), id=2, addr="10.0.0.12:10911", connection=3)
    r.ask(106)
    r.ask(901, {"clusterName": "C1", "brokerName": "broker-a"})
    r.ask(901, {"clusterName": "C1", "brokerName": "nobody"})
    r.ask(304)
    register(r, t, version(2), id=0, addr="10.0.0.11:10911", connection=2)      # the slave becomes master: 1 goes, 0 has its address
    r.ask(106)
    route(r, "T1")
    r.close(1)                                                                  # the old master's connection: its address is no member any more
    r.ask(106)
    register(r, t, version(1, state=5), id=0, addr="10.0.0.11:10911", connection=2)
    register(r, t, version(9, state=4), id=0, addr="10.0.0.1:10911", connection=4)   # an older state version loses
    r.ask(106)
    r.ask(322, {"brokerName": "broker-a", "brokerAddr": "10.0.0.1:10911", "clusterName": "C1", "brokerId": "0"}, json.dumps(version(1)))
    register(r, t, version(9, state=5), id=0, addr="10.0.0.1:10911", connection=4)   # an equal one wins
    r.ask(106)
    r.close(4)
    r.ask(106)
    route(r, "T1")                                                              # the master is gone, id 2 is left
    r.ask(304)


def scenario_acting(r):
    t = [topic("T1"), topic("T2", perm=4), topic("rmq_sys_SYNC_BROKER_MEMBER_broker-a")]
    register(r, t, version(1), enableActingMaster="true", heartbeatTimeoutMillis=10000, connection=1)
    register(r, t, version(1), id=1, addr="10.0.0.11:10911", enableActingMaster="true", heartbeatTimeoutMillis=10000, connection=2)
    register(r, t, version(1), id=2, addr="10.0.0.12:10911", enableActingMaster="true", heartbeatTimeoutMillis=10000, connection=3)
    r.ask(106)
    route(r, "T1")
    r.close(1)
    r.ask(106)
    route(r, "T1")
    route(r, "T2")
    route(r, "rmq_sys_SYNC_BROKER_MEMBER_broker-a")
    register(r, t, version(2), id=1, addr="10.0.0.11:10911", enableActingMaster="true", connection=2)   # the prime slave's table counts, without write
    route(r, "T1")
    register(r, t + [topic("T4")], version(3), id=2, addr="10.0.0.12:10911", enableActingMaster="true", connection=3)
    route(r, "T4")
    register(r, t + [topic("T4")], version(3), enableActingMaster="true", connection=4)
    route(r, "T1")
    route(r, "T4")
    register(r, t, version(4), id=1, addr="10.0.0.11:10911", connection=2)      # enableActingMaster absent: an old broker
    r.ask(106)
    r.close(4)
    route(r, "T1")
    register(r, t, version(1), name="b2", id=3, addr="10.0.1.3:10911", enableActingMaster="false", connection=5)
    route(r, "T2")
    register(r, t, version(1), name="b3", id=3, addr="10.0.1.4:10911", enableActingMaster="true", connection=6)
    route(r, "T1")
    register(r, t, version(1), name="b4", id=-1, addr="10.0.1.5:10911", enableActingMaster="true", connection=6)
    r.ask(106)


def scenario_topics(r):
    t = [topic("T1"), topic("T2", perm=4), topic("U", sys_flag=1), topic("S", sys_flag=2), topic("US", sys_flag=3)]
    register(r, t, version(1), connection=1)
    register(r, t[:2], version(1), name="broker-b", addr="10.0.0.2:10911", cluster="C2", connection=2)
    for code in (311, 312, 313, 206):
        r.ask(code)
    r.ask(205, {"brokerName": "broker-a"})
    route(r, "T1")
    r.ask(205, {"brokerName": "nobody"})
    register(r, t, version(1), connection=1)                     # same version: the wipe stays
    route(r, "T1")
    r.ask(327, {"brokerName": "broker-a"})
    route(r, "T2")
    r.ask(327, {"brokerName": "nobody"})
    r.ask(205, {"brokerName": "broker-a"})
    register(r, t, version(2), connection=1)                     # a new version brings the broker's own perms back
    route(r, "T1")
    route(r, "T2")
    r.ask(216, {"topic": "T1", "clusterName": "C2"})
    route(r, "T1")
    r.ask(216, {"topic": "T1", "clusterName": "none"})
    route(r, "T1")
    r.ask(216, {"topic": "T1", "clusterName": ""})
    route(r, "T1")
    r.ask(216, {"topic": "T1"})
    r.ask(216, {"topic": "T2"})
    route(r, "T2")
    r.ask(216, {"topic": "S", "clusterName": "C1"})
    route(r, "S")
    r.ask(206)
    q = lambda b, n, p: {"brokerName": b, "perm": p, "readQueueNums": n, "topicSysFlag": 0, "writeQueueNums": n}
    r.ask(217, {"topic": "N1"}, json.dumps({"queueDatas": [q("broker-a", 3, 6)]}))
    route(r, "N1")
    r.ask(217, {"topic": "N1"}, json.dumps({"queueDatas": [q("broker-a", 5, 4)]}))
    route(r, "N1")
    r.ask(217, {"topic": "N2"}, json.dumps({"queueDatas": [q("nobody", 3, 6)]}))
    route(r, "N2")
    r.ask(217, {"topic": "N1"}, json.dumps({"queueDatas": [q("broker-b", 7, 6), q("nobody", 3, 6)]}))
    route(r, "N1")
    r.ask(217, {"topic": "N3"}, json.dumps({"queueDatas": [q("broker-b", 7, 6), q("nobody", 3, 6)]}))
    route(r, "N3")
    r.ask(217, {"topic": "N4"}, "{}")
    r.ask(217, {"topic": "N4"})
    route(r, "N4")
    r.ask(217, {"topic": "N5"}, '{"brokerDatas":[{"brokerAddrs":{0:"1.1.1.1:1"},"brokerName":"x","cluster":"y"}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":1}]}')
    route(r, "N5")


def scenario_kv(r):
    r.ask(101, {"namespace": "N", "key": "k"})
    r.ask(219, {"namespace": "N"})
    r.ask(100, {"namespace": "N", "key": "k", "value": "v"})
    r.file("kvConfig.json")
    r.ask(101, {"namespace": "N", "key": "k"})
    r.ask(101, {"namespace": "N", "key": "nope"})
    r.ask(219, {"namespace": "N"})
    r.ask(100, {"namespace": "N", "key": "k", "value": "w \"quoted\" \\ / ü \n\t\u0001 end"})
    r.ask(101, {"namespace": "N", "key": "k"})
    r.ask(219, {"namespace": "N"})
    r.file("kvConfig.json")
    r.ask(100, {"namespace": "N", "key": "k"})
    r.ask(101, {"namespace": "N", "key": "k"})
    r.ask(219, {"namespace": "N"})
    r.file("kvConfig.json")
    r.ask(100, {"namespace": "N", "value": "v"})
    r.ask(100, {"key": "N", "value": "v"})
    r.ask(102, {"namespace": "N", "key": "nope"})
    r.ask(102, {"namespace": "none", "key": "nope"})
    r.ask(102, {"namespace": "N", "key": "k"})
    r.ask(219, {"namespace": "N"})
    r.file("kvConfig.json")
    r.ask(100, {"namespace": "ORDER_TOPIC_CONFIG", "key": "T1", "value": "broker-a:4;broker-b:4"})
    register(r, [topic("T1"), topic("T2")], version(1), connection=1)
    route(r, "T1")
    route(r, "T2")
    register(r, [topic("T1"), topic("T2")], version(1), connection=2, id=1, addr="10.0.0.11:10911")
    r.ask(102, {"namespace": "ORDER_TOPIC_CONFIG", "key": "T1"})
    route(r, "T1")
    register(r, [topic("T1"), topic("T2")], version(1), connection=1)
    r.ask(101, {"namespace": "", "key": ""})


def scenario_odd(r):
    for code in (9999, 10, 34, 0, -1, 1008):
        r.ask(code)
        r.ask(code, {"a": "b"})
    for code in (105, 103, 104, 100, 101, 102, 219, 205, 327, 216, 217, 224, 322, 904, 901):
        r.ask(code)
        r.ask(code, {})
        r.ask(code, {"x": "y"})
    b = registration([topic("T1"), topic("T2")], version(1))
    r.ask(103, {**fields(), "bodyCrc32": "12345"}, b)
    r.ask(103, {**fields(), "bodyCrc32": "0"}, b)
    r.ask(103, {**fields(), "brokerId": "x"}, b)
    r.ask(103, fields(name="broker-n"))
    r.ask(103, fields(name="broker-n"), "not json")
    r.ask(103, fields(name="broker-n"), "{}")
    r.ask(103, fields(name="broker-n"), '{"topicConfigSerializeWrapper":{}}')
    r.ask(103, fields(name="broker-n"), '{"topicConfigSerializeWrapper":null,"filterServerList":null}')
    r.ask(103, fields(name="broker-m", addr="10.0.0.7:10911"), '{"topicConfigSerializeWrapper":{"topicConfigTable":{"A":{"topicName":"A"},"B":{"topicName":"Other","perm":"7"}}}}')
    r.ask(106)
    route(r, "A")
    route(r, "B")
    route(r, "Other")
    r.ask(103, {**fields(name="broker-k", addr="10.0.0.8:10911"), "heartbeatTimeoutMillis": "abc", "enableActingMaster": "maybe"}, b)
    r.ask(103, fields(name="broker-o", addr="10.0.0.9:10911"), '{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"timestamp":5},"topicConfigTable":{"A":{"topicName":"A","readQueueNums":1,"writeQueueNums":1},"B":{"topicName":"B","order":true}}}}', version=1)
    route(r, "B")
    r.ask(106)
    r.ask(322, {"brokerName": "b", "brokerAddr": "10.0.0.9:10911", "clusterName": "C1", "brokerId": "0"}, '{"counter":1,"timestamp":5}')
    r.ask(322, {"brokerName": "b", "brokerAddr": "10.0.0.9:10911", "clusterName": "C1", "brokerId": "0"}, 'zzz')
    r.ask(322, {"brokerName": "b", "brokerAddr": "10.0.0.9:10911", "clusterName": "C1", "brokerId": "0"})
    r.ask(217, {"topic": "N1"}, "not json")
    r.ask(103, fields(name="broker-f", addr="10.0.0.20:10911"), registration([topic("F"), topic("G")], version(1), ["10.0.0.30:1"]))
    route(r, "F")
    r.ask(103, fields(name="broker-z", addr="10.0.0.21:10911", __ZONE_NAME="z1"), registration([topic("F"), topic("G")], version(1)))
    route(r, "F")
    route(r, "F", __ZONE_NAME="z1", __ZONE_MODE="true")
    route(r, "F", __ZONE_NAME="z2", __ZONE_MODE="true")
    route(r, "F", __ZONE_NAME="", __ZONE_MODE="true")
    r.ask(106)
    m = '"F":{"bname":"broker-z","currIdMap":{0:0,1:1},"dirty":false,"epoch":5,"scope":"__global__","topic":"F","totalQueues":2}'
    r.ask(103, fields(name="broker-z", addr="10.0.0.21:10911", __ZONE_NAME="z1"), registration([topic("F"), topic("G")], version(2), mapping=m))
    route(r, "F")
    register(r, [topic("same"), topic("same2")], version(1), name="twin-1", addr="10.0.9.1:10911", cluster="K1")
    register(r, [topic("same"), topic("same2")], version(1), name="twin-1", addr="10.0.9.1:10911", cluster="K2")
    r.ask(106)
    r.ask(224, {"cluster": "K2"})
    register(r, [topic("same"), topic("same2")], version(1), name="twin-2", addr="10.0.9.1:10911", cluster="K1")
    r.ask(106)


def scenario_compressed(r):
    def packed(topics, v, filters, mappings, with_mappings=True):
        i = lambda n: struct.pack(">i", n)
        text = lambda s: i(len(s.encode())) + s.encode()
        out = text(json.dumps(v)) + i(len(topics))
        for t in topics:
            out += text(t)
        out += text(json.dumps(filters))
        if with_mappings:
            out += i(len(mappings)) + b"".join(text(m) for m in mappings)
        return zlib.compress(out, 9)
    f = fields()
    f["compressed"] = "true"
    r.ask(103, f, raw_body=packed(["T1 8 9 6 SINGLE_TAG {}", "T2 1 2 4 SINGLE_TAG"], version(1), [], []), connection=1)
    r.ask(106)
    route(r, "T1")
    route(r, "T2")
    r.ask(103, f, raw_body=packed(["T1 8 8 6 SINGLE_TAG {\"a\":\"b\"}", "T3 1 2 6 MULTI_TAG"], version(2), ["1.1.1.1:2"], [], False), version=411, connection=1)
    route(r, "T1")
    route(r, "T3")
    r.ask(103, f, raw_body=packed(["T1 8", "T3 x 2 6 MULTI_TAG"], version(3), [], []), connection=1)
    r.ask(103, f, raw_body=b"\x00\x01nonsense", connection=1)
    r.ask(103, f, body='{"filterServerList":[]}', connection=1)
    crc = dict(f)
    b = packed(["T9 8 8 6 SINGLE_TAG {}", "T2 1 2 4 SINGLE_TAG"], version(4), [], ['{"bname":"broker-a","currIdMap":{0:0},"dirty":false,"epoch":1,"scope":"__global__","topic":"T9","totalQueues":1}'])
    crc["bodyCrc32"] = str(zlib.crc32(b) & 0x7FFFFFFF)
    r.ask(103, crc, raw_body=b, connection=1)
    route(r, "T9")


def scenario_properties(r):
    r.ask(319)
    r.ask(318, None, "orderMessageEnable=true\n")
    r.ask(319)
    for key in ("configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"):
        r.ask(318, None, key + "=x\n")
    r.ask(318, None, "noSuchKey=x\nenableAllTopicList=false\n")
    r.ask(206)
    r.ask(318, None, "enableTopicList=false")
    for code, f in ((224, {"cluster": "C"}), (311, None), (312, None), (313, None), (304, None)):
        r.ask(code, f)
    r.ask(318, None, "waitSecondsForService=abc\nsupportActingMaster=yes\nproductEnvName = somewhere else \n# comment\n")
    r.ask(319)
    r.ask(318)
    r.ask(318, None, "broken=\\uZZZZ")
    r.ask(318, None, "listenPort=1\nrocketmqhome=x")
    r.ask(319)
    r.file("namesrv.conf")        # what -c named is where it keeps its properties


def scenario_options(r):
    r.ask(100, {"namespace": "ORDER_TOPIC_CONFIG", "key": "T1", "value": "broker-a:4"})
    register(r, [topic("T1"), topic("T2")], version(1), connection=1)
    route(r, "T1")
    route(r, "T2")
    register(r, [topic("T2"), topic("T3")], version(1), connection=1)
    route(r, "T1")
    r.ask(206)
    register(r, [topic("T3")], version(1), connection=1, name="other", addr="10.0.0.2:10911")
    register(r, [], version(1), connection=1)
    r.ask(206)
    r.ask(206)


def scenario_waiting(r):
    r.ask(105, {"topic": "T1"})
    r.ask(106)
    r.ask(318, None, "waitSecondsForService=0")
    r.ask(105, {"topic": "T1"})


PROPERTIES = {
    "acting": {"supportActingMaster": "true"},
    "options": {"orderMessageEnable": "true", "returnOrderTopicConfigToBroker": "false", "deleteTopicWithBrokerRegistration": "true"},
    "waiting": {"needWaitForService": "true"},
}

if __name__ == "__main__":
    lib, home = sys.argv[1:3]
    for name in sys.argv[3:] or UNIT:
        properties = PROPERTIES.get(name, {})
        server = Server(lib, home, properties)
        try:
            r = Recording(name, server, properties)
            globals()["scenario_" + name](r)
            r.save()
            print(name, len(r.steps), "steps")
        finally:
            server.stop()
