"""The server is killed while its client sits at the keyboard: three things that can happen next, with the states of both ends as
the kernel has them. Runs in a network namespace of its own.

killed.py BOTHENDS typed|killed|nobody    prints each state that was reached, or fails
"""
import os, signal, subprocess, sys, time

binary, variant = sys.argv[1:]
# linux/tcp_states.h, as /proc/net/tcp shows them.
NAMES = {"01": "ESTABLISHED", "04": "FIN_WAIT_1", "05": "FIN_WAIT_2", "06": "TIME_WAIT", "07": "CLOSED", "08": "CLOSE_WAIT",
         "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING"}
port = 7001
ends = lambda: {"server" if row[1].endswith(f":{port:04X}") else "client": NAMES.get(row[3], row[3])
                for row in (line.split() for line in open("/proc/net/tcp").readlines()[1:])
                if row[3] != "0A" and (row[1].endswith(f":{port:04X}") or row[2].endswith(f":{port:04X}"))}


def until(wanted):
    end = time.monotonic() + 20
    while (seen := ends()) != wanted:
        if time.monotonic() > end:
            sys.exit(f"{variant}: expected {wanted}, the kernel says {seen}")
    print(wanted)


open("/proc/sys/net/ipv4/tcp_fin_timeout", "w").write("2" if variant == "nobody" else "60")
server = subprocess.Popen([binary, "serve", "echo", str(port)], stderr=subprocess.PIPE)
server.stderr.readline()
client = subprocess.Popen(["nc", "127.0.0.1", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
client.stdin.write(b"hello\n")
client.stdin.flush()
assert client.stdout.readline() == b"hello\n"
until({"server": "ESTABLISHED", "client": "ESTABLISHED"})
server.kill()
server.wait()
# Nobody is there any more to say so, but the kernel sends the FIN, and takes the ACK.
until({"server": "FIN_WAIT_2", "client": "CLOSE_WAIT"})
if variant == "typed":
    # The line is answered by a reset, which erases both ends: no TIME_WAIT.
    client.stdin.write(b"anybody?\n")
    client.stdin.flush()
    until({})
elif variant == "killed":
    # The client's kernel sends the missing FIN: the end that closed first has the TIME_WAIT.
    client.kill()
    until({"server": "TIME_WAIT"})
else:
    # The orphan is given up after tcp_fin_timeout; the client's end stays for as long as its program does not close it.
    until({"client": "CLOSE_WAIT"})
client.kill()
print("ok")
