"""The page in a real browser, when there is one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from storied.examples.shop import app
from storied.services.commands import command_service
from tests.services.serving import served

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--dump-dom",
)


async def page_in_browser(url: str, profile: Path) -> tuple[str, str]:
    """The page as it is once the browser has run its script, and what the browser complained about."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *FLAGS, f"--user-data-dir={profile}", url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(), err.decode()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here to look at the page with")
async def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    """Its script runs under the policy: it can be searched and copied from, and a link opens what it names."""
    async with served(command_service(app, "memory://")) as client:
        base = str(client.base_url).rstrip("/")
        page, complaints = await page_in_browser(f"{base}/docs#placeOrder", tmp_path)
    assert '<div id="finding">' in page  # no longer hidden
    assert page.count('<button type="button" class="copy">') > 20
    assert f"curl {base}/orders -X POST" in page
    [opened] = [line for line in page.splitlines() if 'id="placeOrder"' in line]
    assert opened.rstrip().endswith('open="">')
    assert "Content Security Policy" not in complaints
    assert "Uncaught" not in complaints
