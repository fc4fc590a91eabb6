#!/usr/bin/env python3
"""How `bothends sockets` does with more sockets than a machine has: the kernel's answers about so many sockets of TCP are made
up, in the form of `ss -D`, and listed from a file. The time is of the processor, the least of a few rounds.

usage: tools/many_sockets.py BOTHENDS [SOCKETS…]"""

import os
import struct
import subprocess
import sys
import tempfile

ROUNDS = 5
# struct nlmsghdr, struct inet_diag_msg: linux/netlink.h, linux/inet_diag.h.
HEADER = struct.Struct("=IHHII")
NAMES = struct.Struct("=BBBB 2s2s 16s16s 3I 5I")
BY_FAMILY, DONE, MULTI = 20, 3, 2
STATES = [1, 1, 1, 6, 8, 4, 5]
# INET_DIAG_MEMINFO 7, CONG 4, SHUTDOWN 8, INFO 2, as the kernel gives them for -i and -m.
INFO = bytes([1, 0, 0, 0, 0, 7, 0x77, 0]) + struct.pack("=24I", *range(200_000, 200_024)) + bytes(144)


def attribute(number, value):
    return struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)


ATTRIBUTES = attribute(8, b"\0") + attribute(7, struct.pack("=9I", *range(9))) + attribute(4, b"cubic\0") + attribute(2, INFO)


def message(kind, body):
    return HEADER.pack(16 + len(body), kind, MULTI, 0, 0) + body


def socket_at(number):
    """State, local and remote address and port, and both queues, of the socket with this number."""
    port = 1024 + number % 60_000
    host = b"\x0a" + number.to_bytes(3, "big")
    return STATES[number % len(STATES)], (host, port), (bytes([10, 0, 0, 1]), 443), (number % 7 * 100, number % 3)


def answer(number):
    state, (host, port), (other, service), (unread, unsent) = socket_at(number)
    body = NAMES.pack(2, state, 0, 0, port.to_bytes(2, "big"), service.to_bytes(2, "big"), host.ljust(16, b"\0"), other.ljust(16, b"\0"),
                      0, number + 1, 0, 0, unread, unsent, 1000, number + 1)
    return message(BY_FAMILY, body + ATTRIBUTES)


def written(path, many):
    with open(path, "wb") as file:
        for number in range(many):
            file.write(answer(number))
        file.write(message(DONE, bytes(4)))


def seconds_of(words, environment=None):
    """Of the processor."""
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen(words, stdout=nowhere, env=environment)
        _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(words)}: {status}")
    return used.ru_utime + used.ru_stime


def memories(words, many):
    """The most memory in bytes that the command had, looked at behind each of so many sockets out of a pipe. (What wait4(2) tells
    begins with the memory of whoever started it.)"""
    with open(os.devnull, "wb") as nowhere:
        child = subprocess.Popen([*words, "--from", "-"], stdin=subprocess.PIPE, stdout=nowhere)
    found, number = [], 0
    for count in many:
        while number < count:
            child.stdin.write(answer(number))
            number += 1
        child.stdin.flush()
        with open(f"/proc/{child.pid}/status") as status:
            found.append(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")))
    child.stdin.write(message(DONE, bytes(4)))
    child.stdin.close()
    if child.wait() != 0:
        sys.exit(f"{' '.join(words)}: {child.returncode}")
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    bothends, many = sys.argv[1], [int(word) for word in sys.argv[2:]] or [20_000, 50_000, 100_000, 200_000]
    listings = {
        "-tan": ["-tan"],
        "-tanim": ["-tanim"],
        "-tan, a filter": ["-tan", "dport = :443 and dst 10/8 and not src 10.0.1/24"],
        "-tan --json": ["-tan", "--json"],
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {count: f"{folder}/{count}" for count in many}
        for count, path in paths.items():
            written(path, count)
        by_ss = [min(seconds_of(["ss", "-tan"], {**os.environ, "TCPDIAG_FILE": path}) for _ in range(ROUNDS)) for path in paths.values()]
        tell("ss -tan", many, by_ss, None)
        for name, flags in listings.items():
            command = [bothends, "sockets", *flags]
            taken = [min(seconds_of([*command, "--from", path]) for _ in range(ROUNDS)) for path in paths.values()]
            tell(f"sockets {name}", many, taken, memories(command, many))


def tell(name, many, taken, memory):
    for place, count in enumerate(many):
        times = f"{count / many[0]:4.1f} times the rows take {taken[place] / taken[0]:4.1f} times as long"
        print(f"{name:22} {count:7} sockets {taken[place] * 1000:8.1f} ms  {times}" + (f"  {memory[place] / 2**20:5.1f} MiB" if memory else ""))


if __name__ == "__main__":
    main()
