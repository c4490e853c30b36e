"""docs/howto/use-the-api.md, word for word: its shell blocks, one after the other, in one shell."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kvit.metering.models import UsageEvent
from kvit.platform.tenancy import tenant_scope
from tests.api.test_clients import key, worker

__all__ = ["key", "worker"]
HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="curl and bash are needed"
)


def blocks(page: str, url: str, key: str) -> str:
    script = "\n".join(BLOCK.findall((HOWTO / page).read_text()))
    return script.replace("http://127.0.0.1:8000", url).replace("kvit_…", key)


def test_the_commands_of_the_page_go_from_nothing_to_a_correction(
    live_server: Any, key: str, worker: None, tmp_path: Path
) -> None:
    script = blocks("use-the-api.md", live_server.url, key)
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = done.stdout
    assert (done.returncode, done.stderr) == (0, ""), said
    assert '"type":"/api/v1/docs#' not in said  # no problem was answered
    assert '"accepted":3,"repeated":0' in said
    assert '"accepted":0,"repeated":3' in said
    assert '"total":{"amount":"14.64","currency":"RUB"}' in said
    assert '"agrees":true' in said
    assert '"reason":"лишний вызов"' in said
    with tenant_scope(tenant_id()):
        assert UsageEvent.objects.count() == 3


def test_the_webhook_of_the_page_is_made(live_server: Any, key: str, tmp_path: Path) -> None:
    script = f"KVIT_URL={live_server.url} KVIT_KEY={key}\n"
    script += blocks("receive-webhooks.md", live_server.url, key)
    done = subprocess.run(
        ["bash", "-e", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert '"secret":"whsec_' in done.stdout, done.stdout + done.stderr


def tenant_id() -> Any:
    from kvit.parties.models import Tenant

    return Tenant.objects.get().pk
