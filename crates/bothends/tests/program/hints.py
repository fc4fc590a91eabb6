"""What the hints name, against a real kernel, in a network namespace of its own: hints.py BINARY PART [PUBLIC]"""

import json
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import tempfile

BINARY, PART = sys.argv[1:3]
V4, V6, ANY = socket.AF_INET, socket.AF_INET6, ("127.0.0.1", 0)


def run(*words, user=None, **more):
    """Runs it to its end; gives its exit code, its lines on stderr and its records."""
    command = [BINARY, *words]
    if user is not None:
        command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **more)
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    return done.returncode, done.stderr.decode().splitlines(), records


def hint(exit, first, *words, **more):
    """The hint behind a failure whose exit and first line are these."""
    code, told, _ = run(*words, **more)
    assert (code, told[0]) == (exit, f"bothends: {first}"), (words, code, told)
    assert len(told) == 2 and told[1].startswith("  hint: "), (words, told)
    return told[1].removeprefix("  hint: ")


def in_use(at, *words, **more):
    return hint(45, f"bind {at}: address already in use", *words, **more)


def refused(at, **more):
    return hint(7, f"connect to {at}: connection refused", "connect", at, **more)


def listener(family=V4, at="127.0.0.1", port=0, only6=None, reuse=False, kind=socket.SOCK_STREAM):
    one = socket.socket(family, kind)
    if only6 is not None:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
    if reuse:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((at, port))
    if kind == socket.SOCK_STREAM:
        one.listen()
    return one, one.getsockname()[1]


def same(is_, expected):
    assert is_ == expected, f"\n{is_!r}\nand not\n{expected!r}"


ME = f"process {os.getpid()} ({open('/proc/self/comm').read().strip()})"
END = "; end it, or take another port: 0 is any free one"


def listeners():
    _one, port = listener()
    at = f"127.0.0.1:{port}"
    for command in [["serve", "echo"], ["listen"]]:
        same(in_use(f"tcp://{at}", *command, at), f"{ME} listens on {at}{END}")
    same(
        in_use(f"tcp://[::]:{port}", "serve", "echo", f":{port}"),
        f"{ME} listens on {at}, and [::]:{port} is every address of IPv6 and IPv4{END}",
    )
    shared = in_use(f"tcp://{at}", "serve", "echo", "--reuse-port", at)
    assert "to share the port it would have to have set SO_REUSEPORT too" in shared, shared
    _both, port = listener(V6, "::", only6=0)
    same(
        in_use(f"tcp://127.0.0.1:{port}", "listen", f"127.0.0.1:{port}"),
        f"{ME} listens on [::]:{port}, which is every address of IPv6 and IPv4{END}",
    )
    # An IPv6 wildcard that leaves IPv4 to others is in nobody's way there.
    _six, port = listener(V6, "::", only6=1)
    wildcard = f"{ME} listens on [::]:{port}, which is every IPv6 address{END}"
    same(in_use(f"tcp://[::1]:{port}", "listen", f"[::1]:{port}"), wildcard)
    code, told, _ = run("listen", f"127.0.0.1:{port}", "--timeout", "10ms")
    assert code == 28 and told[0].startswith("listening on "), told
    # Who has bound it and does not listen: Linux tells of those since 6.8.
    bound = socket.socket()
    bound.bind(ANY)
    at = "%s:%d" % bound.getsockname()
    said = in_use(f"tcp://{at}", "listen", at)
    unknown = f"`bothends sockets -tanp sport = :{bound.getsockname()[1]}` shows who has it; port 0 takes any free one"
    assert said in (f"{ME} has bound {at} and does not listen yet{END}", unknown), said
    # The fault of one's own command.
    same(
        in_use("tcp://127.0.0.1:7000", "serve", "echo", ":7000", "127.0.0.1:7000"),
        "tcp://[::]:7000, which stands beside it here, takes this address too; leave one of the two out",
    )
    # Two processes have it.
    one, port = listener()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[one.fileno()])
    said = in_use(f"tcp://127.0.0.1:{port}", "listen", f"127.0.0.1:{port}")
    assert re.match(r"processes \d+ \(\w+\) and \d+ \(\w+\) listens? on 127", said) and str(child.pid) in said, said
    child.communicate()


def records():
    one, port = listener()
    code, _, records = run("--json", "listen", f"127.0.0.1:{port}")
    same((code, [record["type"] for record in records]), (45, ["problem", "error"]))
    problem = records[0]
    same([problem["id"], problem["seen"], problem["v"]], ["address-in-use", True, 1])
    same(problem["cause"], f"{ME} listens on 127.0.0.1:{port}")
    same(problem["advice"], END[2:])
    inode = os.fstat(one.fileno()).st_ino
    process = {"pid": os.getpid(), "fd": one.fileno(), "name": open("/proc/self/comm").read().strip()}
    (fact,) = problem["evidence"]
    same(fact["text"], f"tcp 127.0.0.1:{port} is in LISTEN, {ME}")
    socket_ = fact["socket"]
    same([socket_["state"], socket_["inode"], socket_["processes"]], ["LISTEN", inode, [process]])
    same([socket_["transport"], socket_["local"], "expires_ms" in socket_], ["tcp", f"127.0.0.1:{port}", False])
    one.close()
    _, _, records = run("--json", "connect", f"127.0.0.1:{port}")
    same([records[0]["id"], records[0]["evidence"], records[-1]["type"]], ["refused", [], "error"])


def left_in_time_wait(reuse, times=1):
    """A port at which a server has closed first: its connections are in TIME_WAIT there."""
    one, port = listener(reuse=reuse)
    peers = []
    for _ in range(times):
        client = socket.create_connection(("127.0.0.1", port))
        accepted, peer = one.accept()
        accepted.close()
        assert client.recv(1) == b""
        client.close()
        peers.append(peer[1])
    one.close()
    return port, peers


def seconds_of_kernel(port):
    """What the kernel says is left, by way of ss."""
    rows = subprocess.run(["ss", "-tanoH", "sport", "=", f":{port}"], capture_output=True, text=True).stdout
    return [to_seconds(left) for left in re.findall(r"timer:\(timewait,([^,]+),", rows)]


def to_seconds(left):
    total = 0.0
    for number, unit in re.findall(r"([\d.]+)(min|sec|ms)", left):
        total += float(number) * {"min": 60, "sec": 1, "ms": 0.001}[unit]
    return total


def time_wait():
    port, (peer,) = left_in_time_wait(reuse=False)
    at = f"127.0.0.1:{port}"
    before = seconds_of_kernel(port)
    said = in_use(f"tcp://{at}", "serve", "echo", at)
    after = seconds_of_kernel(port)
    match = re.fullmatch(
        rf"a connection that is over keeps the address: with 127\.0\.0\.1:{peer}, in TIME_WAIT for (\d+) s more; "
        r"it was opened without SO_REUSEADDR, and ours alone does not help; wait, or take .*",
        said,
    )
    assert match, said
    left = int(match[1])
    # ss rounds down.
    assert after[0] - 1 <= left <= before[0] + 1, (after, left, before)
    said = in_use(f"tcp://{at}", "serve", "echo", "--no-reuse-addr", at)
    assert "SO_REUSEADDR would not help, for it was opened without" in said, said
    said = in_use(f"tcp://[::]:{port}", "listen", f":{port}")
    assert "in TIME_WAIT for" in said, said
    same(refused_tells(at), f"1 connection still has it, that with 127.0.0.1:{peer} in TIME_WAIT")
    # Where both ends of the story set it, it helps.
    port, peers = left_in_time_wait(reuse=True, times=3)
    at = f"127.0.0.1:{port}"
    said = in_use(f"tcp://{at}", "listen", "--no-reuse-addr", at)
    last = "|".join(map(str, peers))
    assert re.fullmatch(
        rf"3 connections that are over keep the address in TIME_WAIT: the last, with 127\.0\.0\.1:({last}), for \d+ s more; "
        r"without --no-reuse-addr \(SO_REUSEADDR\) it can be had now",
        said,
    ), said
    code, told, _ = run("listen", at, "--timeout", "10ms")
    assert code == 28 and told[0] == f"listening on tcp://{at}", told


def refused_tells(at):
    return re.search(r"; (.* connections? still (?:has|have) it, .*), so a server", refused(f"tcp://{at}"))[1]


def connections():
    one, port = listener()
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = one.accept()
    one.close()
    at, from_ = f"127.0.0.1:{port}", "%s:%d" % client.getsockname()
    said = in_use(f"tcp://{at}", "serve", "echo", at)
    assert said.startswith(f"a connection has the address: with {from_} (ESTABLISHED), that of {ME}; it was opened"), said
    # The other end's port is one of those that the kernel gave away.
    said = in_use(f"tcp://{from_}", "listen", from_)
    first, last = open("/proc/sys/net/ipv4/ip_local_port_range").read().split()
    assert f"take a port outside of {first}-{last}" in said, said
    # Closed by nobody's process: an orphan that waits for the other end.
    accepted.close()
    # The acknowledgement of its FIN may be delayed.
    while b"FIN-WAIT-1" in subprocess.run(["ss", "-tan"], capture_output=True).stdout:
        pass
    said = in_use(f"tcp://{at}", "listen", at)
    assert f"with {from_} (FIN_WAIT_2), that of no process;" in said and "; wait, or take" in said, said


def datagrams():
    one, port = listener(kind=socket.SOCK_DGRAM)
    at = f"127.0.0.1:{port}"
    same(in_use(f"udp://{at}", "serve", "echo", f"udp://{at}"), f"{ME} has a UDP socket at {at}{END}")
    said = in_use(f"udp://[::]:{port}", "listen", "-u", f":{port}")
    same(said, f"{ME} has a UDP socket at {at}, and [::]:{port} is every address of IPv6 and IPv4{END}")
    same(
        refused(f"tcp://{at}"),
        f"nothing takes TCP on port {port}, but {ME} has a UDP socket at {at}; `bothends connect udp://{at}` reaches it",
    )
    one.connect(("127.0.0.1", 9))
    code, told, _ = run("connect", f"udp://{at}", "--send", "x")
    same(
        [code, told[0], told[-2]],
        [7, f"send to udp://{at}: connection refused", f"bothends: connect to udp://{at}: connection refused"],
    )
    assert f"{ME} has a UDP socket at {at}, but it is connected to 127.0.0.1:9 and takes" in told[-1], told
    said = in_use(f"udp://{at}", "listen", "-u", at)
    same(said, f"{ME} has a UDP socket at {at}, connected to 127.0.0.1:9{END}")


def elsewhere():
    _six, port = listener(V6, "::1")
    at = f"127.0.0.1:{port}"
    same(
        refused(f"tcp://{at}"),
        f"nothing listens on {at}, but {ME} listens on [::1]:{port}, which is IPv6 only; "
        f"`bothends connect [::1]:{port}` reaches it",
    )
    subprocess.run(["ip", "address", "add", "10.77.0.1/24", "dev", "lo"], check=True)
    _four, port = listener()
    same(
        refused(f"tcp://10.77.0.1:{port}"),
        f"nothing listens on 10.77.0.1:{port}, but {ME} listens on 127.0.0.1:{port}; "
        f"`bothends connect 127.0.0.1:{port}` reaches it; it takes callers of this machine only",
    )
    assert refused(f"tcp://[::1]:{port}").endswith(
        f"listens on 127.0.0.1:{port}, which is IPv4 only; `bothends connect 127.0.0.1:{port}` reaches it"
    )
    # What the advice says works.
    code, told, _ = run("connect", f"127.0.0.1:{port}", "--send", "x", "--send-only")
    same(code, 0)
    # htons() was forgotten.
    _swapped, port = listener(port=36895)
    said = refused("tcp://127.0.0.1:8080")
    assert f"{ME} listens on 127.0.0.1:36895, and 36895 is 8080 with its bytes swapped" in said, said
    same(
        refused("tcp://127.0.0.1:9"),
        "nobody takes port 9 here, neither by TCP nor by UDP, at any address; "
        "start the server, or see what there is: `bothends sockets -tlnp`",
    )


def names():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = f"{folder}/x"
        one = socket.socket(socket.AF_UNIX)
        # By another name of the same file than the one that is asked for.
        one.bind("x")
        said = refused(f"unix:{path}")
        same(said, f"{ME} has {path} but does not listen; it has to call listen(), or start it again")
        one.listen()
        end = "; end it, or take another name"
        same(in_use(f"unix:{path}", "listen", path), f"{ME} listens on {path}{end}")
        same(in_use(f"unix:{path}", "serve", "echo", path), f"{ME} listens on {path}{end}")
        one.close()
        same(
            refused(f"unix:{path}"),
            "the socket file is there, but no socket here belongs to it: its server is gone; "
            f"start the server again; nobody needs the file: `rm {path}`",
        )
        # A stale file is replaced, and then it is no hint's business.
        code, told, _ = run("listen", path, "--timeout", "10ms")
        same([code, told[0], os.path.exists(path)], [28, f"listening on unix:{path}", False])
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind("\0hints")
        abstract.listen()
        same(in_use("unix:@hints", "listen", "unix:@hints"), f"{ME} listens on @hints{end}")
        assert refused("unix:@other").startswith("no socket here has the name @other; "), refused("unix:@other")
        os.chdir("/")


def limits():
    inherited = []

    def with_limit(soft, hard):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def failure(soft, hard, *words):
        code, told, records = run("--json", *words, preexec_fn=with_limit(soft, hard), pass_fds=inherited)
        if code == 28 or not told or "too many open files" not in told[0]:
            return None
        problem, error = records
        same([problem["id"], error["errno"]], ["too-many-files", "EMFILE"])
        return told[1], problem

    # The standard three are there before it begins.
    listen, serve = ["listen", "127.0.0.1:0", "--timeout", "10ms"], ["serve", "echo", "127.0.0.1:0"]
    said, problem = failure(4, 512, *listen)
    match = re.match(r"  hint: this process may have 4 files open and needed one more; open: (.*); `ulimit -n 512` ", said)
    assert match and sum(map(int, re.findall(r"\d+", match[1]))) >= 3, said
    same(problem["evidence"][0]["text"], "soft limit 4, hard limit 512 (RLIMIT_NOFILE)")
    # Wherever it runs out of them, a server says so; from some number on it runs.
    for limit in range(4, 7):
        said, _ = failure(limit, limit, *serve)
        assert f"this process may have {limit} files open" in said and f"the hard limit is {limit} too" in said, said
    # What was handed over is counted by its sort.
    pairs = [socket.socketpair() for _ in range(5)]
    pipes = [os.pipe() for _ in range(2)]
    inherited = [end.fileno() for pair in pairs for end in pair] + [end for pair in pipes for end in pair]
    top = max(inherited) + 1
    said, _ = failure(top, top, "connect", "127.0.0.1:9") or failure(top + 1, top + 1, "connect", "127.0.0.1:9")
    assert "10 sockets" in said and "the hard limit is" in said, said
    inherited = []
    # A server that runs tells it as it pauses.
    server = subprocess.Popen(
        [BINARY, *serve], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=with_limit(24, 24), text=True
    )
    address = re.match(r"listening on tcp://127\.0\.0\.1:(\d+)", server.stderr.readline())
    clients = [socket.create_connection(("127.0.0.1", int(address[1]))) for _ in range(30)]
    told = server.stderr.readline()
    match = re.match(
        r"no descriptor is free: new clients wait until one is \(there are (\d+) sockets, .*, and this process may have 24: ",
        told,
    )
    assert match and 10 <= int(match[1]) <= 21, told
    for client in clients:
        client.close()
    server.terminate()
    same([server.wait(), server.stderr.close()], [0, None])


def another_user():
    """As nobody: whose it is is told, and not which process."""
    one, port = listener()
    at = f"127.0.0.1:{port}"
    said = in_use(f"tcp://{at}", "listen", at, user=65534)
    same(said, f"a process of user root that cannot be seen from here listens on {at}{END}")
    said = in_use(f"tcp://{at}", "listen", "--reuse-port", at, user=65534)
    assert "SO_REUSEPORT shares a port between sockets of one user only" in said, said
    said = refused(f"tcp://[::1]:{port}", user=65534)
    assert f"but a process of user root that cannot be seen from here listens on {at}" in said, said
    _, _, records = run("--json", "listen", at, user=65534)
    socket_ = records[0]["evidence"][0]["socket"]
    same([socket_["processes"], socket_["uid"], socket_["user"]], [[], 0, "root"])
    # The other way round root sees it all.
    one.close()
    child = subprocess.Popen(
        ["setpriv", "--reuid", "65534", "--clear-groups", BINARY, "listen", at], stderr=subprocess.PIPE
    )
    assert child.stderr.readline().startswith(b"listening on ")
    said = in_use(f"tcp://{at}", "listen", at)
    same(said, f"process {child.pid} (bothends) of user nobody listens on {at}{END}")
    child.kill()
    child.wait()
    # A file that somebody else left, and that may not be looked behind.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = f"{folder}/x"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        os.chmod(path, 0o600)
        stale.close()
        said = in_use(f"unix:{path}", "listen", path, user=65534)
        same(
            said,
            "there is a socket file of user root already, and no socket that can be seen from here belongs to it; "
            f"remove it if its server is gone: `rm {path}`",
        )


globals()[PART]()
print("ok")
