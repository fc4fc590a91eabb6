"""Sockets of every kind in every state, in a network namespace of the test's own; then `bothends sockets` beside ss and
netstat: the same rows, owners and counters. Says `ok` at its end.

usage: sockets.py BOTHENDS rows|filters|situations|kill|events"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

BOTHENDS, WHAT = sys.argv[1:3]
kept = []


def output(*words):
    ran = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
    return ran.stdout


def fail(text):
    print(text)
    sys.exit(1)


def keep(made):
    kept.append(made)
    return made


def until(what, holds):
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            fail(f"{what}: never; {output('ss', '-tan')}")


def server(host="127.0.0.1", port=0, backlog=16, family=socket.AF_INET, options=()):
    made = keep(socket.socket(family, socket.SOCK_STREAM))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        made.setsockopt(*option)
    made.bind((host, port))
    made.listen(backlog)
    return made


def pair(listener, **options):
    client = keep(socket.socket(listener.family, socket.SOCK_STREAM))
    for option, value in options.items():
        client.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    client.connect(listener.getsockname()[:2])
    accepted, _ = listener.accept()
    return client, keep(accepted)


def full(sender):
    """Writes until nothing more fits."""
    sender.setblocking(False)
    try:
        while True:
            sender.send(b"x" * 65536)
    except BlockingIOError:
        pass


def states():
    return set(output("ss", "-Htan").split()) & STATES


STATES = {"LISTEN", "ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "CLOSING"}


def every_kind():
    quiet = server()
    pair(quiet)
    server("::", family=socket.AF_INET6)
    six = server("::", family=socket.AF_INET6, options=[(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)])
    mapped = server("::", family=socket.AF_INET6)
    client = keep(socket.socket())
    client.connect(("127.0.0.1", mapped.getsockname()[1]))
    keep(mapped.accept()[0])
    over_six = keep(socket.socket(socket.AF_INET6))
    over_six.connect(("::1", six.getsockname()[1]))
    keep(six.accept()[0])
    # FIN-WAIT-2 and CLOSE-WAIT.
    client, accepted = pair(quiet)
    client.shutdown(socket.SHUT_WR)
    # TIME-WAIT.
    client, accepted = pair(quiet)
    client.close()
    accepted.close()
    # Unread and unacknowledged bytes.
    client, accepted = pair(quiet)
    client.send(b"twelve bytes")
    client, accepted = pair(server())
    full(client)
    # FIN-WAIT-1: the FIN stands behind what does not fit.
    client, accepted = pair(server())
    full(client)
    client.close()
    # LAST-ACK: the same, and the other end closed first.
    client, accepted = pair(server())
    accepted.shutdown(socket.SHUT_WR)
    full(client)
    client.close()
    # CLOSING: both closed, and one FIN is stuck.
    client, accepted = pair(server())
    full(client)
    client.shutdown(socket.SHUT_WR)
    accepted.shutdown(socket.SHUT_WR)
    # SYN-RECV: nobody is asked before there are data (TCP_DEFER_ACCEPT).
    defers = server(options=[(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)])
    keep(socket.socket()).connect(defers.getsockname())
    # SYN-SENT: the queue is full.
    crowded = server(backlog=0)
    for _ in range(3):
        caller = keep(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(crowded.getsockname())
    alive, _ = pair(quiet)
    alive.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Datagrams: unconnected, connected, of IPv6, and one that drops.
    receiver = keep(socket.socket(type=socket.SOCK_DGRAM))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    receiver.bind(("127.0.0.1", 0))
    sender = keep(socket.socket(type=socket.SOCK_DGRAM))
    sender.connect(receiver.getsockname())
    for _ in range(20):
        sender.send(b"x" * 500)
    keep(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)).bind(("::1", 0))
    keep(socket.socket(type=socket.SOCK_DGRAM)).setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    kept[-1].bind(("0.0.0.0", 0))
    keep(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    keep(socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
    keep(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)))
    keep(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(0x0806)))
    folder = tempfile.mkdtemp()
    for kind, name in [(socket.SOCK_STREAM, "stream"), (socket.SOCK_SEQPACKET, "seqpacket")]:
        listener = keep(socket.socket(socket.AF_UNIX, kind))
        listener.bind(f"{folder}/{name}")
        listener.listen(5)
        keep(socket.socket(socket.AF_UNIX, kind)).connect(f"{folder}/{name}")
        keep(listener.accept()[0])
    keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)).bind("\0a name of bothends")
    one, other = socket.socketpair(type=socket.SOCK_DGRAM)
    keep(one), keep(other)
    one.send(b"unread")
    # What is shared with another process.
    child = os.fork()
    if child == 0:
        signal.pause()
    kept.append(child)
    until("every state", lambda: states() == STATES)


# What runs on between two looks.
RUNNING = re.compile(r"timer:\(([a-z]+)[^)]*\)|\b(lastsnd|lastrcv|lastack|busy|rwnd_limited|sndbuf_limited|rto|backoff|delivered|bytes_sent|bytes_retrans|segs_out|segs_in|data_segs_out|data_segs_in|unacked|retrans|lost|cwnd|ssthresh|notsent|snd_wnd|rcv_wnd|rehash|reordering|rcv_ssthresh|mrtt|pacing_gain|cwnd_gain|bw):[^ ]*|(send|pacing_rate|delivery_rate) [^ ]*")


def rows(text, exact):
    """Each row as its words; what moves between two looks by its name only."""
    found = []
    for line in text.splitlines():
        if not exact:
            line = RUNNING.sub(lambda match: next(filter(None, match.groups())), line)
            # Not every ss knows these words.
            line = re.sub(r" (rcv_wnd|rehash|usec_ts)\b", "", line)
        line = re.sub(r"timer:\(([a-z]+)[^)]*\)", r"\1", line)
        line = re.sub(r" cgroup:\S+", "", line)
        # The order of owners is a hash table's in ss, and by process in ours.
        line = re.sub(r"users:\((\(.*\))\)", lambda match: " ".join(sorted(re.findall(r"\([^)]*\)", match[1]))), line)
        found.append(" ".join(line.split()))
    return sorted(found)


def without_peer_names(text):
    """We say what the other end of a Unix connection is called; ss does not."""
    named = re.compile(r"^(u_\S+ +\S+ +\d+ +\d+ +.*? \d+) +\S.*? (\d+)(?= |$)", re.MULTILINE)
    return named.sub(r"\1 * \2", text)


def same(words, exact=True):
    """ss looks before us and after us; the answer has to be one of these."""
    for _ in range(5):
        before = rows(output("ss", "-HO", *words), exact)
        ours = output(BOTHENDS, "sockets", "-HO", *words)
        ours = rows(without_peer_names(ours), exact)
        after = rows(output("ss", "-HO", *words), exact)
        if ours in (before, after):
            return len(ours)
    theirs = [row for row in after if row not in ours]
    fail(f"{' '.join(words)}\nonly ss:\n" + "\n".join(theirs) + "\nonly bothends:\n" + "\n".join(row for row in ours if row not in after))


def compare_rows():
    counted = 0
    for words in ["-tan", "-tulpn", "-tan4", "-tan6", "-tn", "-un", "-uan", "-wan", "-xan", "-xln", "-tln", "-tunap", "-xap -n",
                  "-tane", "-uane", "-tanm", "-uanm", "-tano", "-xanm", "-A tcp,udp -n", "-A unix,!u_dgr -an", "-f inet -an",
                  "-tan state fin-wait-2", "-tan state connected", "-tan exclude listening exclude established",
                  "-tan state bucket", "-tn state big", "-tan state synchronized"]:
        counted += same(words.split())
    for words in ["-tani", "-tinemoa", "-taniep"]:
        counted += same(words.split(), exact=False)
    if counted < 300:
        fail(f"only {counted} rows were compared")
    owners()
    records()


def owners():
    """One socket, several processes: all of them, as ss says."""
    port = kept[0].getsockname()[1]
    found = [json.loads(line) for line in output(BOTHENDS, "sockets", "--json", "-tln", "sport", "=", f":{port}").splitlines()]
    pids = sorted(owner["pid"] for owner in found[0]["processes"])
    expected = sorted([os.getpid(), kept[-1]])
    if len(found) != 1 or pids != expected:
        fail(f"owners: {pids}, not {expected}")


def records():
    """What /proc says of the packet sockets, and the counters of TCP_INFO as this process reads them itself."""
    packets = [json.loads(line) for line in output(BOTHENDS, "sockets", "--json", "-0").splitlines()]
    with open("/proc/net/packet") as table:
        inodes = sorted(int(line.split()[8]) for line in table.readlines()[1:])
    if sorted(packet["inode"] for packet in packets) != inodes or len(inodes) != 2:
        fail(f"packet sockets: {packets}, not {inodes}")
    for made in kept:
        if isinstance(made, socket.socket) and made.family == socket.AF_INET and made.type == socket.SOCK_STREAM and made.fileno() >= 0:
            info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
            inode = os.fstat(made.fileno()).st_ino
            record = [record for record in map(json.loads, output(BOTHENDS, "sockets", "--json", "-tan").splitlines()) if record["inode"] == inode]
            if record and record[0]["state"] == "ESTABLISHED":
                rtt = int.from_bytes(info[68:72], sys.byteorder)
                if record[0]["tcp"]["rtt_us"] != rtt:
                    fail(f"rtt: {record[0]['tcp']['rtt_us']}, not {rtt}")
                return
    fail("no connection to look at")


def compare_filters():
    dice = random.Random(7)
    ports = [made.getsockname()[1] for made in kept if isinstance(made, socket.socket) and made.fileno() >= 0 and made.family in (socket.AF_INET, socket.AF_INET6) and made.type != socket.SOCK_RAW]
    port = lambda: str(dice.choice(ports + [0, 1, 443, 32768, 65535]))
    # Not `[::]` and `0.0.0.0/0`: behind an `or` ss takes them for addresses of either family; by themselves it does not.
    places = ["127.0.0.1", "127.0.0.0/8", "127/8", "10.0.0.0/8", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:0:0/96]", "127.0.0.1/31", "*"]

    def condition():
        match dice.randrange(6):
            case 0:
                return f"{dice.choice(['sport', 'dport'])} {dice.choice(['=', '==', 'eq', '!=', 'ne', 'neq', '<', 'lt', '>', 'gt', '<=', 'le', 'leq', '>=', 'ge', 'geq', ''])} {dice.choice(['', ':'])}{port()}"
            case 1:
                return f"{dice.choice(['src', 'dst'])} {dice.choice(['', '='])} {dice.choice(places)}"
            case 2:
                return f"{dice.choice(['src', 'dst'])} {dice.choice(['127.0.0.1', '[::1]', '*', ''])}:{port()}"
            case 3:
                return f"{dice.choice(['not', '!'])} {condition()}"
            case 4:
                return f"( {expression(2)} )"
            case _:
                return dice.choice(["autobound", "dport = *", "dev = lo", "dev != lo", "fwmark = 0"])

    def expression(most):
        text = condition()
        for _ in range(dice.randrange(most)):
            text += f" {dice.choice(['and', '&', '&&', 'or', '|', '||', ''])} {condition()}"
        return text

    held = 0
    for _ in range(300):
        flags = dice.choice(["-tan", "-tuan", "-tan4", "-uan", "-tan6"])
        words = expression(4).split()
        states = dice.choice([[], [], ["state", "all"], ["exclude", "time-wait"], ["state", "established", "state", "listening"]])
        held += same([flags, *states, *words]) > 0
    if not 60 < held:
        fail(f"only {held} filters let anything through")
    for words in ["-xan src unix:*stream", "-xan dst unix:*", "-xan src *name*", "-an src unix:*seq*"]:
        same(words.split())


def netstat():
    """Rows of TCP, each: local, remote, state, process."""
    found = set()
    for line in output("netstat", "-tanp").splitlines()[2:]:
        words = line.split()
        found.add((words[3], words[4], words[5], words[6].partition("/")[0]))
    return found


def ours():
    names = {"FIN_WAIT_1": "FIN_WAIT1", "FIN_WAIT_2": "FIN_WAIT2", "SYN_RECEIVED": "SYN_RECV"}
    found = set()
    for line in output(BOTHENDS, "sockets", "--json", "-tan").splitlines():
        row = json.loads(line)
        remote = row["remote"].replace(":0", ":*") if row["remote"].endswith(":0") else row["remote"]
        pid = str(row["processes"][0]["pid"]) if row["processes"] else "-"
        found.add((row["local"], remote, names.get(row["state"], row["state"]), pid))
    return found


def situations():
    """The five of a server and its client, as netstat shows them."""

    def look(what, states):
        until(what, lambda: sorted(state for _, _, state, _ in netstat()) == sorted(states))
        if ours() != netstat():
            fail(f"{what}: {sorted(ours())}, not {sorted(netstat())}")
        paired = output(BOTHENDS, "sockets", "-anp", "-t", "--pairs", "--explain")
        for state in states:
            short = {"ESTABLISHED": "ESTAB", "FIN_WAIT2": "FIN-WAIT-2"}.get(state, state.replace("_", "-"))
            if short not in paired:
                fail(f"{what}: {short} is not in\n{paired}")

    def serving():
        made = socket.socket()
        if again:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", 9999))
        made.listen(5)
        return made

    again = True
    listener = serving()
    client = socket.create_connection(("127.0.0.1", 9999))
    accepted, _ = listener.accept()
    look("running", ["LISTEN", "ESTABLISHED", "ESTABLISHED"])
    accepted.close()
    listener.close()
    look("the server is killed", ["FIN_WAIT2", "CLOSE_WAIT"])
    client.close()
    look("the client is killed too", ["TIME_WAIT"])
    again = False
    try:
        serving()
        fail("the address was to be in use")
    except OSError:
        pass
    look("restart is refused", ["TIME_WAIT"])
    again = True
    listener = serving()
    look("restart with re-use", ["LISTEN", "TIME_WAIT"])


def kill():
    listener = server()
    client, accepted = pair(listener)
    other, _ = pair(listener)
    port = client.getsockname()[1]
    told = output(BOTHENDS, "sockets", "-HtnK", "sport", "=", f":{port}")
    if f"127.0.0.1:{port}" not in told or len(told.splitlines()) != 1:
        fail(f"killed: {told!r}")
    try:
        client.recv(1)
        fail("the socket lives")
    except ConnectionAbortedError:
        pass
    other.send(b"still there")


def events():
    watching = subprocess.Popen([BOTHENDS, "sockets", "-tE", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "until ^C" not in watching.stderr.readline():
        fail("it does not begin")
    listener = server()
    port = listener.getsockname()[1]
    seen = []

    def told(event):
        while True:
            record = json.loads(watching.stdout.readline())
            if record["local"] == f"127.0.0.1:{port}":
                seen.append(record)
                return record["event"] == event

    if not told("opened"):
        fail(f"opened: {seen}")
    listener.close()
    kept.clear()
    if not told("closed"):
        fail(f"closed: {seen}")
    watching.send_signal(signal.SIGINT)
    if watching.wait(20) != 0:
        fail(f"exit {watching.returncode}")
    changes()


def changes():
    watching = subprocess.Popen([BOTHENDS, "sockets", "-tanH", "--diff", "--watch=50ms"], stdout=subprocess.PIPE, text=True)
    listener = server()
    port = listener.getsockname()[1]
    line = lambda: watching.stdout.readline().split()
    while (words := line())[-2:] and f"127.0.0.1:{port}" not in words:
        pass
    client = socket.create_connection(listener.getsockname())
    while (words := line())[0] != "~":
        pass
    if words[2:5] != ["LISTEN", "1", "16"]:
        fail(f"changed: {words}")
    watching.send_signal(signal.SIGTERM)
    if watching.wait(20) != 0:
        fail(f"exit {watching.returncode}")


try:
    if WHAT in ("rows", "filters"):
        every_kind()
    {"rows": compare_rows, "filters": compare_filters, "situations": situations, "kill": kill, "events": events}[WHAT]()
    print("ok")
finally:
    for made in kept:
        if isinstance(made, int):
            os.kill(made, signal.SIGKILL)
