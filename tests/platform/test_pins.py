"""One package is picked out of a lock together with its hashes, and nothing of its neighbours."""

from pathlib import Path

from kvit.platform.pins import pinned

LOCK = """\
uv-build==1.0 \\
    --hash=sha256:aa
uv==0.9.1 ; python_version >= "3.11" \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via kvit
vine==5.1 \\
    --hash=sha256:dd
"""


def test_a_package_is_pinned_by_its_own_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    assert pinned(lock, "uv") == (
        'uv==0.9.1 ; python_version >= "3.11" \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n'
    )
    assert pinned(lock, "vine") == "vine==5.1 \\\n    --hash=sha256:dd\n"
