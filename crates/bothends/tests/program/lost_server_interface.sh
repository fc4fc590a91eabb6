# A server has a client on another host and one here; the wire to the first is taken away and laid anew.
set -eu
bothends=$1
mount -t tmpfs tmpfs /run
ip link set lo up
ip netns add there
wire() {
    ip link add here type veth peer name there netns there
    ip addr add 10.9.0.1/24 dev here
    ip -n there addr add 10.9.0.2/24 dev there
    ip link set here up
    ip -n there link set there up
}
wire
"$bothends" serve chat udp://:5000 </dev/null >said 2>told &
server=$!
until grep -q listening told; do sleep 0.01; done
mkfifo far near
ip netns exec there "$bothends" connect udp://10.9.0.1:5000 --linger 60s <far >far.heard 2>/dev/null &
"$bothends" connect udp://127.0.0.1:5000 --linger 60s <near >near.heard 2>/dev/null &
exec 3>far 4>near
echo '/name far' >&3
echo '/name near' >&4
until grep -q 'now far' said && grep -q 'now near' said; do sleep 0.01; done
ip link del here
until echo 'anybody there?' >&4 && grep -q 'unreachable' told; do sleep 0.05; done
echo '/who' >&4
until grep -q 'in lobby' near.heard; do sleep 0.01; done
wire
until echo 'and now?' >&4 && grep -q 'near: and now?' far.heard; do sleep 0.05; done
ip link del here
until echo 'and again?' >&4 && [ "$(grep -c unreachable told)" = 2 ]; do sleep 0.05; done
kill $server
code=0; wait $server || code=$?; echo "server $code"
grep unreachable told
