"""The page for people: one file, which asks nobody else for anything and makes no markup of strangers' words."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

from tests.a_server import a_server, blob_of, blob_uri, job
from tests.a_server_process import ServerProcess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NAME = "a <b>chain</b> & more"
COUPLING = {"type": "ising", "version": "1.0", "terms": [{"c": -2.5, "ids": [0, 1]}]}


async def test_the_page_is_whole_by_itself(tmp_path: Path) -> None:
    async with a_server(tmp_path, keys=("a key of the laboratory",)) as client:
        answer = await client.http.get("/")
    assert answer.status_code == 200  # without a key: it holds nothing
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", answer.text) == []
    assert "innerHTML" not in answer.text
    used = set(re.findall(r'find\("(\w+)"\)', answer.text))
    assert used == set(re.findall(r' id="(\w+)"', answer.text))


async def test_it_shows_what_is_known_of_running_jobs(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate=1e6) as client:
        await client.put_job("1", inputParams={"params": {"sweeps": 10**9, "all_betas": [0.1, 0.5], "seed": 1}})
        running: list[dict[str, object]] = []
        while not (running and running[0]["cost"] is not None):  # as the page does, until there is something to see
            await trio.lowlevel.checkpoint()
            running = (await client.http.get("/status.json")).json()["running"]
        assert running[0]["cost"] == -3.5
        assert running[0]["status"] == "Executing"
        await client.call("DELETE", "/jobs/1")
        assert (await client.http.get("/status.json")).json()["running"] == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_a_browser_shows_it(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        container = str(server.call("POST", "/storage/sasUri", json={"containerName": "job-1"}).json()["sasUri"])
        server.http.put(f"{container}&restype=container")
        server.http.put(blob_uri(container, "inputData"), content=blob_of(COUPLING), headers={"If-None-Match": "*"})
        assert server.call("PUT", "/jobs/1", json=job(container, name=NAME)).status_code == 200
        while server.call("GET", "/jobs/1").json()["status"] != "Succeeded":
            pass
        assert CHROMIUM is not None
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
        command = [CHROMIUM, *options, f"--user-data-dir={tmp_path / 'browser'}", server.url]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    main = shown[shown.index("<main") : shown.index("</main>")]
    assert "a &lt;b&gt;chain&lt;/b&gt; &amp; more" in main
    assert '<td class="number">-2.5</td>' in main
    assert "<dt>Succeeded</dt><dd>1</dd>" in main
    assert 'hidden=""' not in main
