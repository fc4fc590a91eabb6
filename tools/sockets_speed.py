#!/usr/bin/env python3
"""How long `bothends sockets` and ss take to list many sockets: connections within this process, both ends.

usage: unshare -n sh -c 'ip link set lo up; tools/sockets_speed.py BOTHENDS SOCKETS'"""

import resource
import socket
import statistics
import subprocess
import sys
import time

ROUNDS = 15


def connections(many):
    """As many sockets, half of them the clients."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and many + 50 > hard:
        sys.exit(f"{many} sockets are more than may be open here: {hard} (RLIMIT_NOFILE)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (many + 50, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    made = [listener]
    for _ in range(many // 2):
        made.append(socket.create_connection(listener.getsockname(), source_address=("127.0.0.2", 0)))
        made.append(listener.accept()[0])
    return made


def milliseconds(command):
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    bothends, many = sys.argv[1], int(sys.argv[2])
    made = connections(many)
    for flags in ["-tan", "-tanp"]:
        commands = {"ss": ["ss", flags], "bothends": [bothends, "sockets", flags]}
        taken = {name: [] for name in commands}
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                time_ms = milliseconds(command)
                # The first round warms up.
                if number > 0:
                    taken[name].append(time_ms)
        medians = {name: statistics.median(times) for name, times in taken.items()}
        ratio = medians["bothends"] / medians["ss"]
        print(f"{flags}, {len(made)} sockets: ss {medians['ss']:.1f} ms, bothends {medians['bothends']:.1f} ms, ratio {ratio:.2f}")


main()
