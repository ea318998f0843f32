"""RocketMQ's remoting frames, for the scripts beside this file: written from the protocol alone, so that they can
judge the codec in src/remoting. Python 3, standard library only."""

import itertools
import json
import socket
import struct

JSON, BINARY = 0, 1
LANGUAGES = ["JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST", "NODE_JS"]
# request codes by name
NAMES = {
    0: "FRAMES", 10: "SEND_MESSAGE", 310: "SEND_MESSAGE_V2", 320: "SEND_BATCH_MESSAGE", 11: "PULL_MESSAGE", 361: "LITE_PULL_MESSAGE", 14: "QUERY_CONSUMER_OFFSET",
    15: "UPDATE_CONSUMER_OFFSET", 17: "UPDATE_AND_CREATE_TOPIC", 18: "UPDATE_AND_CREATE_TOPIC_LIST", 215: "DELETE_TOPIC_IN_BROKER", 21: "GET_ALL_TOPIC_CONFIG", 351: "GET_TOPIC_CONFIG",
    25: "UPDATE_BROKER_CONFIG", 26: "GET_BROKER_CONFIG", 28: "GET_BROKER_RUNTIME_INFO", 29: "SEARCH_OFFSET_BY_TIMESTAMP", 30: "GET_MAX_OFFSET", 31: "GET_MIN_OFFSET",
    32: "GET_EARLIEST_MSG_STORETIME", 33: "VIEW_MESSAGE_BY_ID", 34: "HEART_BEAT", 35: "UNREGISTER_CLIENT", 38: "GET_CONSUMER_LIST_BY_GROUP", 46: "CHECK_CLIENT_CONFIG",
    41: "LOCK_BATCH_MQ", 42: "UNLOCK_BATCH_MQ", 200: "UPDATE_AND_CREATE_SUBSCRIPTIONGROUP", 201: "GET_ALL_SUBSCRIPTIONGROUP_CONFIG", 207: "DELETE_SUBSCRIPTIONGROUP",
    352: "GET_SUBSCRIPTIONGROUP_CONFIG", 202: "GET_TOPIC_STATS_INFO", 203: "GET_CONSUMER_CONNECTION_LIST", 204: "GET_PRODUCER_CONNECTION_LIST",
    # not asked by ask-broker, but seen on the wire
    12: "QUERY_MESSAGE", 40: "NOTIFY_CONSUMER_IDS_CHANGED", 103: "REGISTER_BROKER", 104: "UNREGISTER_BROKER", 105: "GET_ROUTEINFO_BY_TOPIC", 106: "GET_BROKER_CLUSTER_INFO",
    206: "GET_ALL_TOPIC_LIST_FROM_NAMESERVER", 216: "DELETE_TOPIC_IN_NAMESRV", 322: "QUERY_DATA_VERSION", 904: "BROKER_HEARTBEAT", 208: "GET_CONSUME_STATS", 36: "CONSUMER_SEND_MSG_BACK",
    101: "GET_KV_CONFIG", 901: "GET_BROKER_MEMBER_GROUP", 902: "ADD_BROKER",
}
_opaque = itertools.count(1)


def encode(code, fields=None, body=b"", *, flag=0, opaque=None, version=479, encoding=JSON, language="JAVA", remark=None):
    """One whole frame. `fields=None` leaves extFields out, as opposed to an empty map."""
    opaque = next(_opaque) if opaque is None else opaque
    if encoding == JSON:
        header = {"code": code, "flag": flag, "language": language, "opaque": opaque, "serializeTypeCurrentRPC": "JSON", "version": version}
        if fields is not None:
            header["extFields"] = fields
        if remark is not None:
            header["remark"] = remark
        header = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    else:
        remark = (remark or "").encode()
        ext = b"".join(struct.pack(">h", len(k.encode())) + k.encode() + struct.pack(">i", len(v.encode())) + v.encode() for k, v in (fields or {}).items())
        header = struct.pack(">hbhiii", code, LANGUAGES.index(language), version, opaque, flag, len(remark)) + remark + struct.pack(">i", len(ext)) + ext
    return struct.pack(">iI", 4 + len(header) + len(body), encoding << 24 | len(header)) + header + body


def decode(frame):
    """A whole frame, length word included, as a dict: code, flag, opaque, version, language, remark, extFields, encoding, body."""
    length, word = struct.unpack(">iI", frame[:8])
    assert length == len(frame) - 4, f"length word {length}, frame {len(frame)}"
    encoding, size = word >> 24, word & 0xFFFFFF
    header, body = frame[8 : 8 + size], frame[8 + size :]
    if encoding == JSON:
        out = json.loads(header)
        out.setdefault("remark", None)
        out.setdefault("extFields", None)
    else:
        code, language, version, opaque, flag, n = struct.unpack(">hbhiii", header[:17])
        at = 17 + n
        out = {"code": code, "language": LANGUAGES[language], "version": version, "opaque": opaque, "flag": flag, "remark": header[17:at].decode() or None}
        (n,) = struct.unpack(">i", header[at : at + 4])
        at += 4
        end, fields = at + n, {}
        while at < end:
            (n,) = struct.unpack(">h", header[at : at + 2])
            key = header[at + 2 : at + 2 + n].decode()
            at += 2 + n
            (n,) = struct.unpack(">i", header[at : at + 4])
            fields[key] = header[at + 4 : at + 4 + n].decode()
            at += 4 + n
        out["extFields"] = fields or None
    out["encoding"] = encoding
    out["body"] = body
    return out


def split(buffer):
    """The whole frames at the start of a bytearray, taken out of it."""
    while len(buffer) >= 4:
        (length,) = struct.unpack(">i", buffer[:4])
        if len(buffer) < 4 + length:
            return
        yield bytes(buffer[: 4 + length])
        del buffer[: 4 + length]


class Connection:
    """One connection; what the server asks of us meanwhile is kept in `asked`."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=40)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.asked, self.answers = bytearray(), [], {}

    def send(self, code, fields=None, body=b"", **more):
        opaque = more.pop("opaque", None) or next(_opaque)
        self.socket.sendall(encode(code, fields, body, opaque=opaque, **more))
        return opaque

    def read(self, seconds):
        """Takes in what comes within this time; False when the server has closed the connection."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 20)
        except (TimeoutError, socket.timeout):
            return True
        except ConnectionError:
            return False
        self.buffer += data
        for frame in split(self.buffer):
            message = decode(frame)
            if message["flag"] & 1:
                self.answers[message["opaque"]] = message
            else:
                self.asked.append(message)
        return bool(data)

    def answer(self, opaque, seconds=10):
        """The response to this request, or None: none came in time, or the connection was closed."""
        while opaque not in self.answers:
            before = len(self.answers) + len(self.asked)
            if not self.read(seconds):
                return None
            if len(self.answers) + len(self.asked) == before and not self.buffer:
                return None
        return self.answers.pop(opaque)

    def ask(self, code, fields=None, body=b"", seconds=10, **more):
        return self.answer(self.send(code, fields, body, **more), seconds)

    def close(self):
        self.socket.close()


def records(body):
    """The stored messages in the body of a pull or view response (magic AABBCCDD ^ 1880681586 + 8: layout version 1)."""
    at, out = 0, []
    while at + 4 <= len(body):
        (size,) = struct.unpack(">i", body[at : at + 4])
        r = body[at : at + size]
        at += size
        magic, crc, queue, flag, queue_offset, position, sys_flag, born = struct.unpack(">IIiiqqiq", r[4:48])
        p = 48 + (20 if sys_flag & 0x10 else 8)
        (stored,) = struct.unpack(">q", r[p : p + 8])
        p += 8 + (20 if sys_flag & 0x20 else 8)
        reconsume, prepared, n = struct.unpack(">iqi", r[p : p + 16])
        p += 16
        content = r[p : p + n]
        p += n
        if magic == 0xDAA320AB:  # layout version 2: a topic length of two bytes
            (n,) = struct.unpack(">h", r[p : p + 2])
            p += 2
        else:
            n = r[p]
            p += 1
        topic = r[p : p + n].decode()
        p += n
        (n,) = struct.unpack(">h", r[p : p + 2])
        out.append({"size": size, "magic": f"{magic:08x}", "queueId": queue, "flag": flag, "queueOffset": queue_offset, "physicalOffset": position, "sysFlag": sys_flag,
                    "bornTimestamp": born, "storeTimestamp": stored, "reconsumeTimes": reconsume, "preparedTransactionOffset": prepared,
                    "topic": topic, "body": content[:200].decode("utf-8", "backslashreplace"), "properties": r[p + 2 : p + 2 + n].decode()})
    return out
