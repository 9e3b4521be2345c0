#!/bin/sh
# Installs the MQTT broker that tests/alerting/test_mqtt.py delivers to, where it is missing and we may.
# Without it these tests skip.
set -u

has_mosquitto() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto >/dev/null
}

give_up() {
    echo "MQTT tests: no Mosquitto ($1); they skip" >&2
    exit 0
}

if has_mosquitto; then
    echo "MQTT tests: Mosquitto is there"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || give_up "not root, so it can't be installed"
command -v apt-get >/dev/null || give_up "no apt-get"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends mosquitto; } >/dev/null 2>&1 ||
    give_up "apt-get failed"
has_mosquitto || give_up "installed, but not found"
echo "MQTT tests: installed Mosquitto"
