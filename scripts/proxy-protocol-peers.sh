#!/usr/bin/env bash
# PROXY headers with HAProxy as the peer on either side: its headers are believed by ours, and ours by it.
#
# curl, from addresses of its own on loopback, asks HAProxy, which asks Evenkeel, which asks HAProxy again; the last one answers
# with what it was told of the client. EVENKEEL names the binary (default: target/release/evenkeel, built when it is not there).
cd "$(dirname "$0")/.."
bound=120
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/install-clients.sh
export PATH="$PATH:/usr/sbin"
the_binary

# ---------------------------------------------------------------- both of them

# each asks the other, so the ports are chosen before either starts
read -ra port <<<"$(free_ports 17)"
front_plain=${port[0]} front_v1=${port[1]} front_v2=${port[2]} front_tls=${port[3]} front_through=${port[4]} health=${port[5]}
told=${port[6]} told_tls=${port[7]}
ours=${port[8]} ours_v1=${port[9]} ours_v2=${port[10]} ours_tls=${port[11]} ours_tcp=${port[12]} ours_own=${port[13]}
ours_own_tls=${port[14]} ours_through=${port[15]} admin=${port[16]}

certificates "$work/certs" localhost 127.0.0.1
ca=$work/certs/ca.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=client.example' \
    -keyout "$work/client.key" -out "$work/client.pem" -CA "$ca" -CAkey "$work/certs/ca.key" \
    -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth >>"$work/certs.log" 2>&1 ||
    give_up "no client certificate"
cat "$work/certs/site.pem" "$work/certs/site.key" >"$work/certs/both.pem"

cat >"$work/haproxy.cfg" <<CFG
global
    log stdout format raw local0
    # its own limits follow the machine's, which may be tiny or endless
    maxconn 200
    ulimit-n 2000
defaults
    mode http
    log global
    timeout client 20s
    timeout server 20s
    timeout connect 5s

# towards Evenkeel
frontend plain
    mode tcp
    bind 127.0.0.1:$front_plain
    default_backend without
frontend v1
    mode tcp
    bind 127.0.0.1:$front_v1
    default_backend with-v1
frontend v2
    mode tcp
    bind 127.0.0.1:$front_v2
    default_backend with-v2
frontend tls
    mode tcp
    bind 127.0.0.1:$front_tls ssl crt $work/certs/both.pem ca-file $ca verify optional alpn http/1.1
    unique-id-format peer-%ci:%cp
    default_backend with-all
frontend through
    mode tcp
    bind 127.0.0.1:$front_through
    default_backend with-v2-tls
backend without
    mode tcp
    server ours 127.0.0.1:$ours
backend with-v1
    mode tcp
    server ours 127.0.0.1:$ours send-proxy
backend with-v2
    mode tcp
    server ours 127.0.0.1:$ours send-proxy-v2
backend with-v2-tls
    mode tcp
    server ours 127.0.0.1:$ours_tls send-proxy-v2
backend with-all
    mode tcp
    server ours 127.0.0.1:$ours_v2 send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,authority,unique-id
backend checked
    option httpchk GET /check
    server v1 127.0.0.1:$ours check inter 200ms send-proxy
    server v2 127.0.0.1:$ours check inter 200ms send-proxy-v2
frontend health
    bind 127.0.0.1:$health
    http-request return status 200 content-type text/plain lf-string "%[srv_is_up(checked/v1)] %[srv_is_up(checked/v2)]"
    # never reached: so the backend is one that is used, and checked
    default_backend checked

# behind Evenkeel
frontend told
    bind 127.0.0.1:$told accept-proxy
    http-request return status 200 content-type text/plain lf-string "src=%[src]:%[src_port] dst=%[dst]:%[dst_port] authority=%[fc_pp_authority] id=%[fc_pp_unique_id] for=%[req.hdr(x-forwarded-for)]"
frontend told-tls
    bind 127.0.0.1:$told_tls accept-proxy ssl crt $work/certs/both.pem alpn h2
    http-request return status 200 content-type text/plain lf-string "src=%[src]:%[src_port] dst=%[dst]:%[dst_port] over=%[ssl_fc_alpn]"
CFG
haproxy -c -q -f "$work/haproxy.cfg" >"$work/haproxy-check.log" 2>&1 || give_up "HAProxy refuses its configuration"

service() { # NAME VERSION PORT MORE
    printf '[service.%s]\nsend_proxy_protocol = "%s"\n%b[[service.%s.backend]]\naddress = "127.0.0.1:%s"\n' "$1" "$2" "$4" "$1" "$3"
}
listener() { # NAME PORT SERVICE MORE
    printf '[[listener]]\nname = "%s"\nbind = "127.0.0.1:%s"\nservice = "%s"\n%b\n' "$@"
}
accept='proxy_protocol = "accept"\ntrusted_proxies = ["127.0.0.1"]\n'
tls='[listener.tls]\ncertificates = [{ cert = "certs/site.pem", key = "certs/site.key" }]\n'
checked='health = { kind = "http", path = "/check", interval = "200ms", initial = "check_first" }\n'
{
    printf '[server]\nworkers = 2\n[admin]\nbind = "127.0.0.1:%s"\n[log]\nlevel = "debug"\nformat = "json"\n' "$admin"
    listener accepts "$ours" v1 "$accept"
    listener accepts-v1 "$ours_v1" v1 "$accept"
    listener accepts-v2 "$ours_v2" v2 "$accept"
    listener accepts-tls "$ours_tls" v2 "$accept$tls"
    listener tcp "$ours_tcp" v2 'protocol = "tcp"\n'
    listener own "$ours_own" v1 ''
    listener own-tls "$ours_own_tls" v2 "$tls"
    listener through "$ours_through" tls ''
    service v1 v1 "$told" "$checked"
    service v2 v2 "$told" "$checked"
    service tls v2 "$told_tls" 'protocol = "h2"\ntls = { ca = "certs/ca.pem", server_name = "localhost" }\n'
} >"$work/proxy.toml"

start haproxy haproxy -db -f "$work/haproxy.cfg"
# not before it: our first checks are to be good
until_it HAProxy curl --silent --noproxy '*' "http://127.0.0.1:$health/"
start proxy "$evenkeel" run -c "$work/proxy.toml"
proxy=$!
until_it Evenkeel curl --silent --fail --noproxy '*' "http://127.0.0.1:$admin/readyz"

# from an address that is nobody else's
# shellcheck disable=SC2154 # each check sets its client
ask() { timeout --kill-after=5 20 curl --silent --show-error --fail --noproxy '*' --cacert "$ca" --interface "$client" "$@"; }

has() { # TEXT PATTERN
    grep -Eq -- "$2" <<<"$1" || {
        echo "'$2' expected, got '$1'"
        return 1
    }
}

logged() { # PATTERN: the last header that Evenkeel took, but for those of checks, has it
    has "$(grep 'introduced by a PROXY header","listener":"accepts-v2"' "$work/proxy.log" | tail -n 1)" "$1"
}

# ---------------------------------------------------------------- HAProxy before us

believed() { # PORT DESTINATION: what HAProxy says goes through Evenkeel to the HAProxy behind it
    has "$(ask "http://127.0.0.1:$1/")" "^src=$client:[0-9]+ dst=127.0.0.1:$1 .*for=$client\$"
}

everything() { # with a client certificate: address, name, id arrive behind us; TLS is told to us, and its checksum verified
    local got
    got=$(ask --cert "$work/client.pem" --key "$work/client.key" "https://localhost:$front_tls/")
    has "$got" "^src=$client:[0-9]+ dst=127.0.0.1:$front_tls authority=localhost id=peer-$client:[0-9]+ for=$client\$"
    # a checksum, the SSL TLV with its version, suite and common name
    for part in V2 0x03 0x20 'TLSv1.3' 'TLS_(AES|CHACHA20)_[0-9A-Z_]+' client.example; do
        logged "$part"
    done
}

h2_inside() { # the header before TLS that ends with us
    local got
    got=$(ask --http2 --write-out ' %{http_version}' "https://localhost:$front_through/")
    has "$got" "^src=$client:[0-9]+ dst=127.0.0.1:$front_through authority=localhost id=[0-9a-f]{32} for=$client 2\$"
}

health_checks() { # HAProxy's own, which say LOCAL or name HAProxy
    local got
    for _ in $(seq 50); do
        got=$(ask "http://127.0.0.1:$health/")
        [ "$got" = "1 1" ] && break
        sleep 0.1
    done
    has "$got" '^1 1$'
}

refused() { # no header: the connection is closed without a word, and counted
    if ask "http://127.0.0.1:$front_plain/"; then return 1; fi
    has "$(curl --silent --noproxy '*' "http://127.0.0.1:$admin/metrics")" \
        'evenkeel_proxy_protocol_refused_total\{listener="accepts",reason="missing"\} [1-9]'
}

client=127.0.0.11 check 'HAProxy send-proxy to us, v1 on' believed "$front_v1"
client=127.0.0.12 check 'HAProxy send-proxy-v2 to us, v1 on' believed "$front_v2"
client=127.0.0.13 check 'HAProxy send-proxy-v2 with ssl,cert-cn,ssl-cipher,crc32c,authority,unique-id to us, v2 on' everything
client=127.0.0.14 check 'HAProxy send-proxy-v2 before TLS and HTTP/2 that end with us' h2_inside
client=127.0.0.15 check "HAProxy's health checks with headers" health_checks
client=127.0.0.16 check 'HAProxy without send-proxy is refused' refused

# ---------------------------------------------------------------- HAProxy behind us

v1() {
    has "$(ask "http://127.0.0.1:$ours_own/")" "^src=$client:[0-9]+ dst=127.0.0.1:$ours_own authority= id= for=$client\$"
}

v2_of_tls() {
    has "$(ask --http1.1 "https://localhost:$ours_own_tls/")" \
        "^src=$client:[0-9]+ dst=127.0.0.1:$ours_own_tls authority=localhost id=[0-9a-f]{32} for=$client\$"
}

v2_of_tcp() { # nothing of HTTP is ours here
    has "$(ask "http://127.0.0.1:$ours_tcp/")" "^src=$client:[0-9]+ dst=127.0.0.1:$ours_tcp authority= id=[0-9a-f]{32} for=\$"
}

before_tls() {
    has "$(ask "http://127.0.0.1:$ours_through/")" "^src=$client:[0-9]+ dst=127.0.0.1:$ours_through over=h2\$"
}

two_in_turn() { # each client of two that alternate, on connections that are kept, is named on its own
    local a b
    a=$(ask "http://127.0.0.1:$ours_own/" "http://127.0.0.1:$ours_own/a" --write-out '\n' --interface 127.0.0.31)
    b=$(ask "http://127.0.0.1:$ours_own/" "http://127.0.0.1:$ours_own/b" --write-out '\n' --interface 127.0.0.32)
    [ "$(grep -c '^src=127.0.0.31:.*for=127.0.0.31$' <<<"$a") $(grep -c '^src=127.0.0.32:.*for=127.0.0.32$' <<<"$b")" = '2 2' ]
}

our_checks() { # UNKNOWN and LOCAL: both services are in use because their first check was good
    local got
    got=$(curl --silent --noproxy '*' "http://127.0.0.1:$admin/api/v1/status")
    python3 -c '
import json, sys
services = json.load(sys.stdin)["services"]
for name in "v1", "v2":
    backend = services[name]["backends"][0]
    assert backend["state"] == "up" and backend["last_check"], (name, backend)' <<<"$got"
}

client=127.0.0.21 check 'v1 to HAProxy accept-proxy' v1
client=127.0.0.22 check 'v2 to HAProxy accept-proxy, of a client over TLS' v2_of_tls
client=127.0.0.23 check 'v2 to HAProxy accept-proxy, of a TCP session' v2_of_tcp
client=127.0.0.24 check 'v2 before TLS and HTTP/2 to HAProxy accept-proxy ssl' before_tls
client=127.0.0.25 check 'two clients in turn to HAProxy accept-proxy' two_in_turn
client=127.0.0.26 check 'our health checks of HAProxy accept-proxy, v1 and v2' our_checks

# ---------------------------------------------------------------- the end

stop_and_sum_up "$proxy"
