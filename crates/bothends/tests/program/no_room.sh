# A queue that takes no packet: a datagram waits for it to be opened, and then goes out.
set -eu
bothends=$1
ip link set lo up
"$bothends" listen --once udp://127.0.0.1:5000 </dev/null >heard 2>said &
listener=$!
until grep -q listening said; do sleep 0.01; done
tc qdisc add dev lo root bfifo limit 1
"$bothends" connect --send hello --linger 0 udp://127.0.0.1:5000 2>told &
sender=$!
until grep -q . told; do sleep 0.01; done
tc qdisc del dev lo root
wait $sender $listener
cat told heard
