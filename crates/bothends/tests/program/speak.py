"""A client that nobody here wrote the sockets of: says what a service's client says and checks the answer.

speak.py SERVICE PLACE    prints `ok`, or what was wrong, with exit code 1
"""
import os, socket, struct, sys, tempfile, time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "unix": socket.SOCK_STREAM,
         "unix-dgram": socket.SOCK_DGRAM, "unix-seqpacket": socket.SOCK_SEQPACKET}
service, place = sys.argv[1:]
scheme, address = place.split(":", 1)
kind = KINDS[scheme]
messages = kind != socket.SOCK_STREAM
datagrams = kind == socket.SOCK_DGRAM


def connected():
    if address.startswith("//"):
        host, port = address[2:].rsplit(":", 1)
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        client = socket.socket(family, kind)
        client.connect((host.strip("[]"), int(port)))
    else:
        client = socket.socket(socket.AF_UNIX, kind)
        if datagrams:
            client.bind("")  # a name of its own, or nobody could answer
        client.connect("\0" + address[1:] if address.startswith("@") else address)
    client.settimeout(10)
    return client


def some(client, length):
    """That many bytes of a stream, or one message."""
    got = client.recv(65536)
    while not messages and len(got) < length:
        more = client.recv(length - len(got))
        if not more:
            break
        got += more
    return got


def rest(client):
    got = b""
    while True:
        more = client.recv(65536)
        if not more:
            return got
        got += more


def expect(what, got, wanted):
    if got != wanted:
        print(f"{what}: got {got[:80]!r} ({len(got)} bytes) instead of {wanted[:80]!r} ({len(wanted)} bytes)")
        sys.exit(1)


def finish(client, wanted=b""):
    """Our FIN, and then the server's, after what it still has to say."""
    if not datagrams:
        client.shutdown(socket.SHUT_WR)
        expect("at the end", rest(client), wanted)


def dialogue(answer):
    client = connected()
    for said in (b"Hello\n", b"b\0c\xff\n"):
        client.sendall(said)
        expect("an answer", some(client, len(answer(said))), answer(said))
    finish(client)


def echo():
    dialogue(lambda said: said)


def upper():
    dialogue(lambda said: said.upper())


def reply():
    dialogue(lambda said: b"hello, i am server")


def discard():
    client = connected()
    for _ in range(20):
        client.sendall(b"x" * 1000)
    finish(client)
    if datagrams:
        client.settimeout(0.05)
        try:
            expect("discard", client.recv(10), b"silence")
        except TimeoutError:
            pass


def source():
    client = connected()
    got = rest(client)
    pattern = bytes(range(32, 127))
    wanted = 100_000
    if len(got) != wanted or set(got) - set(pattern + b"\r\n"):
        print(f"source: {len(got)} bytes, {sorted(set(got))}")
        sys.exit(1)


def daytime():
    client = connected()
    if datagrams:
        client.sendall(b"")
    text = some(client, 20) if messages else rest(client)
    if str(time.gmtime().tm_year).encode() not in text:
        print(f"daytime: {text!r}")
        sys.exit(1)


def time_service():
    client = connected()
    if datagrams:
        client.sendall(b"")
    (seconds,) = struct.unpack("!I", some(client, 4))
    # RFC 868: since 1900; 2208988800 of them lie before 1970.
    if abs(seconds - 2208988800 - time.time()) > 5:
        print(f"time: {seconds}")
        sys.exit(1)


def collect():
    client = connected()
    client.sendall(b"one\n")
    client.sendall(b"tw")
    if not datagrams:
        client.shutdown(socket.SHUT_WR)
        expect("collect", rest(client), b"")


def chat():
    first, second = connected(), connected()
    first.sendall(b"/name ada\n")
    read_until(first, b"ada")
    second.sendall(b"/name bob\n")
    read_until(second, b"bob")
    first.sendall(b"good day\n")
    read_until(second, b"good day")
    second.sendall(b"/who\n")
    read_until(second, b"ada")
    first.sendall(b"/quit\n")
    if not datagrams:
        rest(first)
    read_until(second, b"ada")


def read_until(client, word):
    got = b""
    while word not in got:
        more = client.recv(65536)
        if not more:
            print(f"chat: the end came before {word!r}: {got!r}")
            sys.exit(1)
        got += more


{"echo": echo, "upper": upper, "reply": reply, "discard": discard, "source": source, "daytime": daytime,
 "time": time_service, "collect": collect, "chat": chat}[service]()
print("ok")
