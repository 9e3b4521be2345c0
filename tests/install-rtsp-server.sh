#!/bin/sh
# Installs the GStreamer RTSP server that tests/support/rtsp_server.py runs on, where it is missing and we may.
# Without it the tests fall back to aio-rtsp-toolkit, and those that need UDP or a password skip.
set -u

has_server() {
    /usr/bin/python3 - 2>/dev/null <<'PY'
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
for element in ("qtdemux", "h264parse", "rtph264pay", "appsrc", "x264enc"):
    assert Gst.ElementFactory.find(element), element
PY
}

fall_back() {
    echo "RTSP tests: no GStreamer RTSP server ($1); falling back to aio-rtsp-toolkit, password and UDP tests skip"
    exit 0
}

if has_server; then
    echo "RTSP tests: the GStreamer RTSP server is there"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || fall_back "not root, so it can't be installed"
command -v apt-get >/dev/null || fall_back "no apt-get"
export DEBIAN_FRONTEND=noninteractive
packages="python3 python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
# shellcheck disable=SC2086
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1 ||
    fall_back "apt-get failed"
has_server || fall_back "installed, but it does not load"
echo "RTSP tests: installed the GStreamer RTSP server"
