"""What the page of a study says of the machines and the cost."""

import pytest

from reszoo.studies.engine.page import core_seconds, machines

HOST = "AMD EPYC, 2 cores, avx2 fma; reszoo 0.2.0 ({}), torch 2.14.1"
OLD, NEW = "58d83de1714a", "fe82a233590d+"  # of a changed checkout


def test_hosts_that_differ_in_the_commit_alone_are_one_machine() -> None:
    other = HOST.format(NEW).replace("2 cores", "4 cores")
    released = "AMD EPYC, 2 cores; reszoo 0.2.0, torch 2.14.1"
    found = machines([HOST.format(OLD), HOST.format(NEW), other, released])
    assert found == [HOST.format(f"{OLD}, {NEW}"), other, released]


@pytest.mark.parametrize(("measured", "said"), [(0.00829, "0.0083"), (9.87, "9.9"), (10.4, "10"), (525.3, "525")])
def test_costs_are_written_without_exponents(measured: float, said: str) -> None:
    assert core_seconds(measured) == said
