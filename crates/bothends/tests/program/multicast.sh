# Four hosts on one wire: three have joined a group, the fourth has not. What each of them hears first is printed.
set -eu
bothends=$1
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add wire type bridge
ip addr add 10.9.0.254/24 dev wire
ip link set wire up
ip route add 224.0.0.0/4 dev wire
for host in 1 2 3 4; do
    ip netns add "h$host"
    ip link add "v$host" type veth peer name eth0 netns "h$host"
    ip link set "v$host" master wire up
    ip -n "h$host" addr add "10.9.0.$host/24" dev eth0
    ip -n "h$host" link set lo up
    ip -n "h$host" link set eth0 up
    ip -n "h$host" route add 224.0.0.0/4 dev eth0
    join='?join=239.1.2.3&interface=eth0'
    [ "$host" = 4 ] && join=
    timeout 20 ip netns exec "h$host" "$bothends" listen --once "udp://:5000$join" </dev/null >"heard$host" 2>"said$host" &
    until grep -q listening "said$host"; do sleep 0.01; done
done
"$bothends" connect --send 'hello, group
' --linger 0 --interface wire --ttl 1 udp://239.1.2.3:5000
# The fourth has not heard the group when it hears this.
"$bothends" connect --send 'hello, you
' --linger 0 udp://10.9.0.4:5000
wait
for host in 1 2 3 4; do echo "$host $(cat "heard$host")"; done
cat said* >&2
