#!/usr/bin/env bash
# Real servers as HTTP/2 backends of the real binary: nginx, grpcio, Envoy, Caddy and Node. Nothing may be lost while they end connections
# as they do by default, or far more often than that.
#
# EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there). What is needed is installed from Debian's
# packages and PyPI; the rest happens on loopback, on ports that the kernel chooses, within five minutes.
cd "$(dirname "$0")/.."
bound=300
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh
the_binary
here=scripts/real-backends

the_python
certificates "$work/certs" localhost 127.0.0.1
read -r nginx nginxs envoy caddy node rpc origin <<<"$(free_ports 7)"

# ---------------------------------------------------------------- the backends

cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.err warn;
events { worker_connections 2000; }
http {
    access_log off; client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server { listen 127.0.0.1:$nginx http2; location / { return 200 "ok"; } }
    server { listen 127.0.0.1:$nginxs ssl http2; ssl_certificate $work/certs/site.pem; ssl_certificate_key $work/certs/site.key;
             keepalive_requests 50; location / { return 200 "ok"; } }
    server { listen 127.0.0.1:$origin; location / { return 200 "ok"; } }
}
CONF
start nginx "$(command -v nginx || echo /usr/sbin/nginx)" -p "$work" -c "$work/nginx.conf"

cat >"$work/envoy.yaml" <<YAML
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: $envoy } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: b
          codec_type: HTTP2
          common_http_protocol_options: { max_requests_per_connection: 50 }
          route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: o } }] }] }
          http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
  clusters:
  - name: o
    type: STATIC
    load_assignment: { cluster_name: o, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: $origin } } } }] }] }
YAML
start envoy "$(echo "$venv"/lib/python3*/site-packages/envoy/_bin/envoy)" -c "$work/envoy.yaml" --concurrency 1 --disable-hot-restart -l error

cat >"$work/Caddyfile" <<CADDY
{
    admin off
    auto_https off
    servers {
        protocols h1 h2c
    }
}
http://127.0.0.1:$caddy {
    bind 127.0.0.1
    respond "ok"
}
CADDY
start caddy env XDG_DATA_HOME="$work" XDG_CONFIG_HOME="$work" HOME="$work" "$venv/bin/caddy" run --config "$work/Caddyfile" --adapter caddyfile

backends="nginx:$nginx envoy:$envoy caddy:$caddy"
if command -v node >/dev/null; then
    start node node "$here/node.mjs" "$node"
    backends="$backends node:$node"
fi
start grpcio "$python" "$here/grpc_server.py" "$rpc"

# ---------------------------------------------------------------- the proxy

{
    printf '[server]\nworkers = 2\n[admin]\nbind = "127.0.0.1:0"\n[log]\nformat = "json"\n'
    for backend in $backends "grpcio:$rpc" "nginx-tls:$nginxs"; do
        name=${backend%%:*}
        printf '[[listener]]\nname = "%s"\nbind = "127.0.0.1:0"\nservice = "%s"\n' "$name" "$name"
        printf '[service.%s]\nprotocol = "h2"\n' "$name"
        [ "$name" != nginx-tls ] || printf 'tls = { ca = "certs/ca.pem" }\n'
        printf '[[service.%s.backend]]\naddress = "127.0.0.1:%s"\n' "$name" "${backend##*:}"
    done
} >"$work/proxy.toml"
for backend in $backends "nginx-tls:$nginxs"; do until_it "${backend%%:*}" listens "${backend##*:}"; done
until_it grpcio grep -s ready "$work/grpcio.log"
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it Evenkeel grep -s '"message":"ready"' "$work/proxy.log"
port_of() { # LISTENER
    sed -n "/\"message\":\"listening\"/s/.*\"listener\":\"$1\".*\"address\":\"127.0.0.1:\([0-9]*\)\".*/\1/p" "$work/proxy.log"
}

# ---------------------------------------------------------------- what is asked of them

posts() { # LISTENER COUNT: with bodies, none may be lost
    timeout --kill-after=5 60 h2load --requests "$2" --clients 4 --max-concurrent-streams 16 --data "$work/body" \
        "http://127.0.0.1:$(port_of "$1")/" | tee "$work/h2load"
    grep -E "^requests: $2 total, $2 started, $2 done, $2 succeeded, 0 failed, 0 errored, 0 timeout" "$work/h2load"
}

calls() { no_grpc_proxy=127.0.0.1 timeout --kill-after=5 60 "$python" "$here/grpc_load.py" "$@" "127.0.0.1:$(port_of grpcio)"; }

head -c 1000 /dev/zero | tr '\0' x >"$work/body"
check 'nginx: 24,000 POSTs, connections end as by default' posts nginx 24000
check 'nginx over TLS: 5,000 POSTs, connections end after 50 requests' posts nginx-tls 5000
for backend in $backends; do
    name=${backend%%:*}
    [ "$name" = nginx ] || check "$name: 5,000 POSTs" posts "$name" 5000
done
check 'grpcio: unary calls for 5 s, max_connection_age 150 ms' calls unary 5
check 'grpcio: streams for 5 s, max_connection_age 150 ms' calls stream 5
check 'grpcio: deadlines and failures come as they are' calls deadline 1

stop_and_sum_up "$proxy"
