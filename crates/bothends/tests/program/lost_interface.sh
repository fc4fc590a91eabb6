# One host sends to another all the time, and the wire between them is taken away and laid anew.
set -eu
bothends=$1
mount -t tmpfs tmpfs /run
ip netns add there
wire() {
    ip link add here type veth peer name there netns there
    ip addr add 10.9.0.1/24 dev here
    ip -n there addr add 10.9.0.2/24 dev there
    ip link set here up
    ip -n there link set there up
}
heard() { stat -c %s heard; }
wire
ip netns exec there "$bothends" listen udp://:5000 </dev/null >heard 2>said &
listener=$!
until grep -q listening said; do sleep 0.01; done
"$bothends" connect --send x --every 10ms udp://10.9.0.2:5000 2>told &
sender=$!
until [ "$(heard)" -gt 0 ]; do sleep 0.01; done
ip link del here
until grep -q unreachable told; do sleep 0.01; done
before=$(heard)
wire
until [ "$(heard)" -gt "$before" ]; do sleep 0.01; done
kill $sender $listener
code=0; wait $sender || code=$?; echo "sender $code"
code=0; wait $listener || code=$?; echo "listener $code"
head -1 told
