#!/usr/bin/env bash
# Real clients through the real binary: curl, wrk, h2load, a WebSocket and a gRPC client. Nothing here is ours but the proxy.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). What is needed is installed from
# Debian's packages and PyPI; the rest happens on loopback, on ports that the kernel chooses, within five minutes.
cd "$(dirname "$0")/.."
bound=300
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh
the_binary
here=scripts/real-clients

# ---------------------------------------------------------------- what it takes

the_python

certificates "$work/certs" localhost 127.0.0.1
ca=$work/certs/ca.pem

# they end when their standard input does
mkfifo "$work/life"
"$python" "$here/origins.py" "$work/certs/site.pem" "$work/certs/site.key" "$work/ports" \
    <"$work/life" >"$work/origins.log" 2>&1 &
pids+=($!)
exec 9>"$work/life"
until_it 'the origins' grep -s GRPCS_PORT "$work/ports"
# shellcheck source=/dev/null
. "$work/ports"

cat >"$work/proxy.toml" <<TOML
[server]
workers = 2
drain_timeout = "5s"
[admin]
bind = "127.0.0.1:0"
[log]
format = "json"

[[listener]]
name = "clear"
bind = "127.0.0.1:0"
service = "http"
[[listener.route]]
path_prefix = "/demo.Echo/"
service = "grpc"
[[listener.route]]
path = "/ws"
service = "websocket"

[[listener]]
name = "secure"
bind = "127.0.0.1:0"
service = "http"
[listener.tls]
certificates = [{ cert = "certs/site.pem", key = "certs/site.key" }]
[[listener.route]]
path_prefix = "/demo.Echo/"
service = "grpc-tls"
[[listener.route]]
path = "/ws"
service = "websocket"

[service.http]
[[service.http.backend]]
address = "127.0.0.1:$HTTP_PORT"

[service.websocket]
[[service.websocket.backend]]
address = "127.0.0.1:$WS_PORT"

[service.grpc]
protocol = "h2"
[[service.grpc.backend]]
address = "127.0.0.1:$GRPC_PORT"

[service.grpc-tls]
protocol = "h2"
[service.grpc-tls.tls]
ca = "certs/ca.pem"
[[service.grpc-tls.backend]]
address = "127.0.0.1:$GRPCS_PORT"
TOML

start proxy "$evenkeel" run -c "$work/proxy.toml" 9>&-
proxy=$!
until_it Evenkeel grep -s '"message":"ready"' "$work/proxy.log"
port_of() { # LISTENER
    sed -n "/\"message\":\"listening\"/s/.*\"listener\":\"$1\".*\"address\":\"127.0.0.1:\([0-9]*\)\".*/\1/p" "$work/proxy.log"
}
clear=127.0.0.1:$(port_of clear)
secure=localhost:$(port_of secure)

# ---------------------------------------------------------------- how they are asked

limited() { timeout --kill-after=5 30 "$@"; }

ask() { limited curl --silent --show-error --fail --noproxy '*' --cacert "$ca" "$@"; }

same() { # WHAT EXPECTED GOT
    [ "$2" = "$3" ] || {
        echo "$1: '$2' expected, got '$3'"
        return 1
    }
}

none() { # PATTERN FILE: no line matches
    if grep -Ei "$1" "$2"; then return 1; fi
}

# ---------------------------------------------------------------- curl

hello() { # VERSION ARGUMENTS...: the version that was spoken, and the answer
    local version=$1
    shift
    same answer "hello from HTTP/1.1 $version" "$(ask --write-out '%{http_version}' "$@" | tr '\n' ' ')"
}

upload() { # ARGUMENTS...: 20 MiB, checked by hash on the other side
    same hash "$(sha256sum <"$work/upload" | cut -d' ' -f1)" "$(ask "$@")"
}

range() {
    ask "$@" --range 1000000-1000031 --dump-header "$work/head" --output "$work/range" --write-out '%{http_code}' >"$work/code"
    same status 206 "$(<"$work/code")"
    grep -qi '^content-range: bytes 1000000-1000031/1048576' "$work/head"
    same body "$(printf '%015d\n' 1000000 1000016)" "$(sed 's/^0*\([0-9]\{15\}\)$/\1/' "$work/range")"
}

head_only() {
    ask --head --output "$work/head" --write-out '%{http_code} %{size_download}' "$@" >"$work/code"
    same 'status and body' '200 0' "$(<"$work/code")"
    grep -qi '^content-length: 1048576' "$work/head"
}

keep_alive() { # two requests, one connection
    same connections '1 0' "$(ask --output "$work/a" --output "$work/b" --write-out '%{num_connects} ' "$@" "$@" | sed 's/ $//')"
}

expect_continue() { # the backend's 100 comes before the body goes, and the final answer after it
    same hash "$(sha256sum <"$work/upload" | cut -d' ' -f1)" \
        "$(ask --http1.1 --expect100-timeout 20 --header 'Expect: 100-continue' --verbose --upload-file "$work/upload" "$@" 2>"$work/trace")"
    same '100s' 1 "$(grep -c '^< HTTP/1.1 100' "$work/trace")"
}

unverified() { # without our authority the certificate is refused: the checks above did verify
    local code=0
    limited curl --silent --noproxy '*' --output "$work/out2" "$@" || code=$?
    same "curl's exit code" 60 "$code"
}

head -c 20971520 /dev/urandom >"$work/upload"
check 'curl: HTTP/1.1' hello 1.1 --http1.1 "http://$clear/"
check 'curl: HTTP/1.0' hello 1.1 --http1.0 "http://$clear/"
check 'curl: HTTP/1.1 over TLS, verified' hello 1.1 --http1.1 "https://$secure/"
check 'curl: HTTP/2 over TLS, verified' hello 2 --http2 "https://$secure/"
check 'curl: HTTP/2 by prior knowledge' hello 2 --http2-prior-knowledge "http://$clear/"
check 'curl: TLS 1.2' hello 2 --tls-max 1.2 "https://$secure/"
check 'curl: an unknown authority is refused' unverified "https://$secure/"
check 'curl: kept connections' keep_alive "http://$clear/"
check 'curl: upload of 20 MiB, HTTP/1.1' upload --http1.1 --upload-file "$work/upload" "http://$clear/up"
check 'curl: upload of 20 MiB, chunked' upload --http1.1 --header 'Transfer-Encoding: chunked' --upload-file "$work/upload" "http://$clear/up"
check 'curl: upload of 20 MiB, HTTP/2 over TLS' upload --http2 --upload-file "$work/upload" "https://$secure/up"
check 'curl: upload of 20 MiB, HTTP/2 in clear' upload --http2-prior-knowledge --upload-file "$work/upload" "http://$clear/up"
check 'curl: range, HTTP/1.1' range --http1.1 "http://$clear/file"
check 'curl: range, HTTP/2' range --http2 "https://$secure/file"
check 'curl: HEAD, HTTP/1.1' head_only --http1.1 "http://$clear/file"
check 'curl: HEAD, HTTP/2' head_only --http2 "https://$secure/file"
check 'curl: Expect: 100-continue' expect_continue "http://$clear/up"

# ---------------------------------------------------------------- wrk and h2load

load_h1() { # wrk names errors only when there are some
    limited wrk --threads 2 --connections 16 --duration 2s --timeout 10s "$@" | tee "$work/wrk"
    none 'Socket errors|Non-2xx' "$work/wrk"
    grep -E '^ +[1-9][0-9]* requests in' "$work/wrk"
}

load_h2() {
    limited h2load --requests 2000 --clients 4 --max-concurrent-streams 16 "$@" | tee "$work/h2load"
    grep -E '^requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout' "$work/h2load"
    grep -E '^status codes: 2000 2xx' "$work/h2load"
    grep -E '^Application protocol: h2' "$work/h2load"
}

check 'wrk: in clear' load_h1 "http://$clear/"
check 'wrk: over TLS' load_h1 "https://$secure/"
check 'h2load: over TLS' load_h2 "https://$secure/"
check 'h2load: by prior knowledge' load_h2 "http://$clear/"

# ---------------------------------------------------------------- WebSocket and gRPC

websocket() { limited "$python" "$here/websocket.py" "$@"; }

rpc() { no_grpc_proxy=127.0.0.1,localhost limited "$python" "$here/grpc_client.py" "$@"; }

check 'WebSocket: ws' websocket "ws://$clear/ws"
check 'WebSocket: wss' websocket "wss://$secure/ws" "$ca"
check 'gRPC: unary, h2c' rpc unary "$clear"
check 'gRPC: stream both ways, h2c' rpc stream "$clear"
check 'gRPC: failure with trailers, h2c' rpc failure "$clear"
check 'gRPC: unary, TLS' rpc unary "$secure" "$ca"
check 'gRPC: stream both ways, TLS' rpc stream "$secure" "$ca"
check 'gRPC: failure with trailers, TLS' rpc failure "$secure" "$ca"

# ---------------------------------------------------------------- the end

stop_and_sum_up "$proxy"
