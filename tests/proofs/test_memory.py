"""Memory runs out in the middle of a bill run: what was not committed never was, what was committed
holds by itself, and the next run ends as if memory had been enough."""

import os
import resource
import signal

import pytest

from kvit.platform.tenancy import tenant_scope
from kvit.web.prove import company, dump, flows
from kvit.web.prove.flows import Flow
from kvit.web.prove.ground import Ground, close
from kvit.web.prove.killing import Boundaries

FLOW = Flow("without memory", company.bill, customers=3)
APART = 50  # boundaries between two places where memory runs out
SIZES = (1 << 20, 1 << 16, 1 << 12, *range(512, 0, -16))  # bytes that are asked for
DONE, OTHERWISE, OUT_OF_MEMORY = 0, 1, 2
held: list[bytes] = []


@pytest.mark.slow
@pytest.mark.once
def test_a_run_whose_memory_is_gone_is_begun_again_and_ends_the_same(ground: Ground) -> None:
    template = ground.template("memory", lambda: flows.fill(FLOW, 1))
    with ground.copy(template):
        with tenant_scope(company.tenant().id):
            known = dump.ids()
        with Boundaries() as calm:
            flows.run(FLOW)
        with tenant_scope(company.tenant().id):
            wanted = dump.rows(known)
    places = range(APART, len(calm.kinds), APART)
    assert len(places) > 2
    for at in places:
        with ground.copy(template):
            assert run_without_memory(at) == OUT_OF_MEMORY
            assert company.broken() == []
            flows.run(FLOW)
            with tenant_scope(company.tenant().id):
                assert dump.difference(dump.rows(known), wanted) == []


def run_without_memory(at: int) -> int:
    """Run the flow in a process that has no memory from a boundary on; return its status."""
    close()
    child = os.fork()
    if not child:
        status = OTHERWISE
        try:
            signal.alarm(60)  # a process that hangs ends by this signal
            with Boundaries(at=at, dying=take_memory):
                flows.run(FLOW)
            status = DONE
        except MemoryError:
            status = OUT_OF_MEMORY
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def take_memory() -> None:
    """Let nothing more be mapped, and hold what is free: the next that is asked for is refused."""
    resource.setrlimit(resource.RLIMIT_AS, (0, 0))
    for size in SIZES:
        try:
            while True:
                held.append(bytes(size))
        except MemoryError:
            continue
    bytearray(SIZES[0])
