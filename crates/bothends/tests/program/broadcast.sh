# Two hosts on one wire with a third. A datagram for all of the wire is refused without --broadcast, and reaches both with it.
set -eu
bothends=$1
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add wire type bridge
ip addr add 10.9.0.254/24 brd + dev wire
ip link set wire up
for host in 1 2; do
    ip netns add "h$host"
    ip link add "v$host" type veth peer name eth0 netns "h$host"
    ip link set "v$host" master wire up
    ip -n "h$host" addr add "10.9.0.$host/24" brd + dev eth0
    ip -n "h$host" link set eth0 up
    # What is typed beforehand answers the first who speaks.
    echo "I am $host" | timeout 20 ip netns exec "h$host" "$bothends" listen --once udp://:5000 >"heard$host" 2>"said$host" &
    until grep -q listening "said$host"; do sleep 0.01; done
done
code=0
"$bothends" connect --send 'hello, all
' --linger 0 udp://10.9.0.255:5000 2>refused || code=$?
echo "$code $(cat refused)"
# An answer has the address of its host, not that which all have.
"$bothends" connect --broadcast --send 'hello, all
' --label --expect 'I am 1(?s:.*)I am 2|I am 2(?s:.*)I am 1' --max-time 10s udp://10.9.0.255:5000 | sort
wait
for host in 1 2; do echo "$host $(cat "heard$host")"; done
cat said* >&2
