#!/usr/bin/env bash
# A test authority and certificates that it signs, for trying TLS on one's own machine. Not for anybody else's.
#
# usage: make-certs.sh [FOLDER [NAME...]]                default: certs, for localhost, *.localhost, 127.0.0.1 and ::1
#        make-certs.sh --client NAME [FOLDER]            a client that is called NAME: a DNS name, or a SPIFFE ID
#
# Writes ca.pem and ca.key (kept while they are valid), site.pem and site.key; for a client client.pem and client.key. Valid for a year.
set -euo pipefail
client=
if [ "${1-}" = --client ]; then
    client=${2:?make-certs.sh --client NAME [FOLDER]}
    shift 2
fi
folder=${1:-$(cd "$(dirname "$0")/.." && pwd)/certs}
[ "$#" -eq 0 ] || shift
if [ -n "$client" ]; then
    [ "$#" -eq 0 ] || { echo "make-certs.sh: a client has one name: $client" >&2 && exit 2; }
    set -- "$client"
    file=client usage=clientAuth
else
    [ "$#" -gt 0 ] || set -- localhost '*.localhost' 127.0.0.1 ::1
    file=site usage=serverAuth
fi

names=
for name in "$@"; do
    case $name in
    *://*) names+=",URI:$name" ;;
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) names+=",IP:$name" ;;
    *) names+=",DNS:$name" ;;
    esac
done
# a slash would begin another part of the subject
subject=${1//\//\\/}

umask 077 # the keys are nobody else's
mkdir -p "$folder"
cd "$folder"
work=$(mktemp -d)
# openssl talks on standard error even when all is well
exec 3>&2 2>"$work/log"
finish() {
    [ "$1" = 0 ] || cat "$work/log" >&3
    rm -rf "$work"
}
trap 'finish $?' EXIT
# P-256: what every client takes and what costs a server least
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
if ! [ -f ca.key ] || ! openssl x509 -in ca.pem -noout -checkend 86400 >/dev/null; then
    openssl req -x509 "${key[@]}" -days 365 -subj '/CN=Evenkeel test authority' -keyout ca.key -out ca.pem \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'
fi
openssl req -new "${key[@]}" -subj "/CN=$subject" -keyout "$file.key" -out "$work/request"
openssl x509 -req -in "$work/request" -CA ca.pem -CAkey ca.key -CAcreateserial -CAserial "$work/serial" -days 365 \
    -out "$file.pem" -extfile <(printf '%s\n' "subjectAltName=${names#,}" 'basicConstraints=critical,CA:FALSE' \
        'keyUsage=critical,digitalSignature' "extendedKeyUsage=$usage")
chmod 644 ca.pem "$file.pem"
echo "$folder: ca.pem (to be trusted by the other side), $file.pem and $file.key for ${names#,}"
