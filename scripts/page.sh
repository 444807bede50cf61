#!/usr/bin/env bash
# The page of the admin address: it is built from its sources and compared with what is checked in, and tried in a browser, first in front of a
# made-up fleet and then in front of the real binary.
#
#   scripts/page.sh [build]     build: it is built and compared only, as CI does: a browser's times depend on the machine
#
# EVENKEEL names the binary (default: the debug build, made when it is not there), CHROMIUM the browser (default: /usr/bin/chromium, from
# Debian's packages). Node is the machine's where that is new enough for what builds the page, else one from PyPI.
cd "$(dirname "$0")/.."
bound=900
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

if [ "${1:-}" != build ]; then
    scripts/install-clients.sh chromium
    export EVENKEEL_BINARY=${EVENKEEL:-$PWD/${CARGO_TARGET_DIR:-target}/debug/evenkeel}
    [ -n "${EVENKEEL:-}" ] || cargo build --locked
fi

# 20.19 or newer of version 20, or 22.12 or newer: what Vite needs
is_new_enough() {
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)'
}
if ! command -v npm >/dev/null || ! command -v node >/dev/null || ! is_new_enough; then
    the_python
    PATH=$PWD/$venv/bin:$PATH
fi

cd page
if ! cmp -s package-lock.json node_modules/installed; then
    npm ci --no-audit --no-fund
    cp package-lock.json node_modules/installed
fi
npx tsc --noEmit
npx vite build --logLevel warn --emptyOutDir --outDir "$work/assets"
if ! diff -rq "$work/assets" ../src/admin/assets; then
    echo "src/admin/assets is not what page/ is built to: npm run build, and commit both" >&2
    exit 1
fi
if [ "${1:-}" = build ]; then
    echo "the page is what its sources are built to"
    exit 0
fi
npm test
npm run test:real
