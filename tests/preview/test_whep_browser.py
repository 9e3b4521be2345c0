"""A browser's own WebRTC plays what we send, by the WHEP draft alone: no code of ours but these lines."""

import asyncio
import json

from aiohttp import web

from support.chromium import Chromium, find_chromium
from support.preview_peers import hot_left, playing, preview, score_of

PLAYER = """<!doctype html><video autoplay muted playsinline></video><script>
const seen = async (video, pixels) => {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight), context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  return pixels.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3));
};
async function play(endpoint, pixels) {
  const began = performance.now();
  (await navigator.mediaDevices.getUserMedia({video: true})).getTracks().forEach(track => track.stop());
  const peer = new RTCPeerConnection(), video = document.querySelector("video");
  peer.addTransceiver("video", {direction: "recvonly"});
  peer.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
  await peer.setLocalDescription();
  if (peer.iceGatheringState != "complete")
    await new Promise(done => { peer.onicegatheringstatechange =
        () => peer.iceGatheringState == "complete" && done(); });
  const answer = await fetch(endpoint, {method: "POST", body: peer.localDescription.sdp,
                                        headers: {"Content-Type": "application/sdp"}});
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  const frame = () => new Promise(done => video.requestVideoFrameCallback((now, shown) => done(shown)));
  const first = await frame(), later = [];
  while (later.length < 10) later.push(((await frame()).rtpTimestamp - first.rtpTimestamp) >>> 0);
  const colours = await seen(video, pixels), size = [first.width, first.height];
  const deleted = await fetch(answer.headers.get("Location"), {method: "DELETE"});
  return {status: answer.status, deleted: deleted.status, size, colours, times: [0, ...later],
          took_ms: performance.now() - began};
}
</script>"""


async def player_page(_request: web.Request) -> web.Response:
    return web.Response(text=PLAYER, content_type="text/html")


def test_chromium_plays_pictures_and_the_heatmap_in_its_true_colours() -> None:
    async def check() -> None:
        async with preview(extra_routes=[web.get("/", player_page)]) as shown, playing(shown):
            shown.pictures.put_score(score_of("lobby", hot_left()))
            pixels = [[60, 110], [280, 110]]  # hot and not, above the block that moves
            async with Chromium(find_chromium()) as browser, browser.page(shown.url) as page:
                await page.open(f"{shown.url}/")
                seen = {}
                for stream in ("picture", "heatmap"):
                    seen[stream] = await page.evaluate(f"play('/whep/lobby?stream={stream}', {json.dumps(pixels)})")
            for answer in seen.values():
                assert (answer["status"], answer["deleted"], answer["size"]) == (201, 200, [320, 240])
                assert answer["times"] == sorted(set(answer["times"]))  # on the sender's clock
                assert not any(time % 3600 for time in answer["times"])  # 25 pictures a second, of 90 kHz
            left, right = seen["picture"]["colours"]
            assert 70 < left[0] < 100 < 150 < right[0] < 180  # the gradient, about (82, 165)
            assert seen["picture"]["took_ms"] < 5000
            for colour, wanted in zip(seen["heatmap"]["colours"], ((255, 235, 88), (16, 19, 30)), strict=True):
                assert max(abs(one - other) for one, other in zip(colour, wanted, strict=True)) <= 10
            assert shown.sessions.count == 0

    asyncio.run(check())
