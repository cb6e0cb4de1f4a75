"""Included by _core.pyx: the instruction sets of this build, and the one in use."""

from contextlib import contextmanager
import os

from fastent._kernels cimport fe_isa_count, fe_isas, fe_measure

# Of the one in use.
cdef const fe_measure *table = NULL
cdef int chosen = 0


def built_isas():
    """Names of the instruction sets that this build has kernels for."""
    return tuple(fe_isas[i].name.decode() for i in range(fe_isa_count))


def available_isas():
    """Names of those that this machine can run, the best last."""
    return tuple(fe_isas[i].name.decode() for i in range(fe_isa_count) if fe_isas[i].available())


def isa():
    """Name of the instruction set in use."""
    return fe_isas[chosen].name.decode()


def set_isa(str name):
    """Use the kernels of this instruction set from now on."""
    global table, chosen
    if name not in built_isas():
        raise ValueError(f"instruction set {name!r} is not in this build, which has: "
                         f"{', '.join(built_isas())}")
    if name not in available_isas():
        raise ValueError(f"this machine cannot run instruction set {name!r}; it can run: "
                         f"{', '.join(available_isas())}")
    chosen = built_isas().index(name)
    table = fe_isas[chosen].measures


@contextmanager
def using_isa(str name):
    """Use this instruction set within a with block (tests hold each against each)."""
    before = isa()
    set_isa(name)
    try:
        yield
    finally:
        set_isa(before)


def _choose_isa():
    wanted = os.environ.get("FASTENT_ISA", "")
    if not wanted:
        *_, best = available_isas()
        set_isa(best)
        return
    try:
        set_isa(wanted)
    except ValueError as error:
        raise ImportError(f"FASTENT_ISA={wanted}: {error}") from None


_choose_isa()
