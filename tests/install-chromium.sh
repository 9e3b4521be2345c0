#!/bin/sh
# Installs the Chromium that tests/preview/test_page.py drives, where it is missing and we may.
set -u

has_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

give_up() {
    echo "page tests: no Chromium ($1); they will fail" >&2
    exit 0
}

if has_chromium; then
    echo "page tests: Chromium is there"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || give_up "not root, so it can't be installed"
command -v apt-get >/dev/null || give_up "no apt-get"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 ||
    give_up "apt-get failed"
has_chromium || give_up "installed, but not found"
echo "page tests: installed Chromium"
