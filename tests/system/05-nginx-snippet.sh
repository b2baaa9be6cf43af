#!/bin/bash
# nginx/app-pool.conf as it is, but for the port and the socket's path: nginx
# takes it, keeps its connection to the pool, and sends what the file says.
. "$(dirname "$0")/../lib/lib.sh"

# A peer that writes down, for each request: the number of its connection, the
# FCGI_KEEP_CONN flag, whether there was a parameter HTTP_PROXY, and the bytes
# of the body. The path /cut makes it close the connection without an answer.
cat >"$T/peer.py" <<'END'
import socket, struct, sys

def record(type, data):
    return struct.pack(">BBHHBx", 1, type, 1, len(data), 0) + data

def take(conn, n):
    data = b""
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data

def request(conn):
    keep, params, body = 0, b"", 0
    while True:
        _, type, _, length, padding = struct.unpack(">BBHHBx", take(conn, 8))
        data = take(conn, length + padding)[:length]
        if type == 1:
            keep = data[2] & 1
        elif type == 4:
            params += data
        elif type == 5 and data:
            body += length
        elif type == 5:
            return keep, params, body

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
number = 0
while True:
    conn, _ = listener.accept()
    number += 1
    try:
        while True:
            keep, params, body = request(conn)
            proxy = b"HTTP_PROXY" in params
            print(f"connection={number} keep={keep} proxy={proxy:d} body={body}",
                  flush=True)
            if b"/cut" in params:
                break
            page = b"Content-Type: text/plain\r\n\r\nfine"
            conn.sendall(record(6, page) + record(6, b"") + record(3, bytes(8)))
    except EOFError:
        pass
    conn.close()
END
start peer python3 "$T/peer.py" "$T/app.sock"
wait_for 5 test -S "$T/app.sock"

port=$(free_port)
sed -e "s|127.0.0.1:8080|127.0.0.1:$port|" \
	-e "s|/run/outlast/app.sock|$T/app.sock|" \
	"$SRC/nginx/app-pool.conf" >"$T/app-pool.conf"
expect "lines that the substitution changed" \
	"$(diff "$SRC/nginx/app-pool.conf" "$T/app-pool.conf" | grep -c '^>')" 2
start_published app-pool.conf
serves() {
	[ "$(http /)" = 200 ]
}
wait_for 5 serves

: >"$T/peer.log"
for i in 1 2 3; do
	expect "GET $i" "$(http "/$i" -H 'Proxy: http://evil.example/')" 200
done
expect "POST" "$(http /form -d address=a@b.example)" 200
expect "requests on one kept connection, none with HTTP_PROXY" \
	"$(grep -c 'connection=1 keep=1 proxy=0' "$T/peer.log")" 4
expect "POST with its body" "$(grep -c 'body=19$' "$T/peer.log")" 1

head -c 1048576 /dev/zero >"$T/fits"
(cat "$T/fits" && echo) >"$T/too-large"
expect "1 MiB" "$(http /fits --data-binary "@$T/fits")" 200
expect "1 MiB and a byte" "$(http /big --data-binary "@$T/too-large")" 413

# A POST that may have been worked on is not sent twice, and the failure does
# not keep the next request out.
: >"$T/peer.log"
expect "POST that was cut" "$(http /cut -d x=1)" 502
expect "times it was sent" "$(lines . "$T/peer.log")" 1
expect "the next one" "$(http /)" 200
