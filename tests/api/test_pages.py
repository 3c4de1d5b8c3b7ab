"""Pages that are part of the program, under the policy that they are sent with."""
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/api"
PAGES = [SOURCE / "no_console.html", SOURCE / "docs/index.html"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_has_nothing_that_the_policy_blocks(client, page):
    policy = client.http.get("/docs").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe-inline" not in policy and "style-src" not in policy
    text = page.read_text()
    assert "<style" not in text and not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<[^>]+\s(style|on\w+)\s*=", text)
    loaded = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"', text)
    assert any(f.endswith(".css") for f in loaded)
    for f in loaded:
        r = client.http.get(f)
        assert r.status_code == 200 and r.headers["content-security-policy"] == policy, f
        assert r.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml"), f
    for link in re.findall(r'<a href="(/[^"]*)"', text):
        assert client.http.get(link).status_code == 200, link
