"""Dask arrays: lazy in, lazy out, for every keyword; the same numbers; errors when asked for."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastent as fe

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

rng = np.random.default_rng(0)
p, q = (rng.dirichlet(np.ones(6), (40, 3)) for _ in range(2))
t, weight = rng.random(p.shape), rng.random((40, 3))
labels = rng.integers(0, 6, (40, 3))


def lazy(array: Any, chunks: Any = None) -> Any:
    """Return a Dask array of many chunks, whole along the last of three axes."""
    return da.from_array(array, chunks=chunks or (7, 2, -1)[: array.ndim])


P, Q, T, WEIGHT, LABELS = map(lazy, (p, q, t, weight, labels))


def same(got: Any, want: Any) -> None:
    """Check that a result is lazy, knows its shape and dtype, and computes to the same bits."""
    want = np.asarray(want)
    assert isinstance(got, da.Array)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    assert np.asarray(got.compute()).tobytes() == want.tobytes()


def near(got: Any, want: Any) -> None:
    """Check a reduction: blocks are summed in an order of their own."""
    assert isinstance(got, da.Array)
    assert (got.shape, got.dtype) == ((), want.dtype)
    assert got.compute() == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"base": 2},
        {"keepdims": True},
        {"normalize": True},
        {"check": True},
        {"weight": weight},
        {"weight": WEIGHT},
        {"weight": 2},
    ],
    ids=str,
)
def test_rows(keywords: Any) -> None:
    """Every keyword of the row measures."""
    plain = {k: v.compute() if v is WEIGHT else v for k, v in keywords.items()}
    same(fe.entropy(P, **keywords), fe.entropy(p, **plain))
    same(fe.kl_divergence(P, Q, **keywords), fe.kl_divergence(p, q, **plain))
    same(fe.cross_entropy(P, q[0, 0], **keywords), fe.cross_entropy(p, q[0, 0], **plain))
    same(fe.cross_entropy(p, Q, **keywords), fe.cross_entropy(p, q, **plain))
    if "base" not in keywords:
        same(fe.perplexity(P, **keywords), fe.perplexity(p, **plain))
    if "normalize" not in keywords:
        same(fe.log_loss(LABELS, P, **keywords), fe.log_loss(labels, p, **plain))
        same(fe.log_loss(labels, P, **keywords), fe.log_loss(labels, p, **plain))


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), None], ids=str)
def test_axes(axis: Any) -> None:
    """Any axis, as long as it is in one chunk."""
    axes = (0, 1, 2) if axis is None else np.atleast_1d(axis)
    array = P.rechunk({int(i): -1 for i in axes})
    same(fe.entropy(array, axis=axis), fe.entropy(p, axis=axis))
    same(fe.entropy(array, axis=axis, keepdims=True), fe.entropy(p, axis=axis, keepdims=True))


def test_elements() -> None:
    """Pointwise measures, mixed dtypes, where."""
    same(fe.surprisal(P, base=2), fe.surprisal(p, base=2))
    same(fe.binary_cross_entropy(T, P), fe.binary_cross_entropy(t, p))
    single = p.astype(np.float32)
    same(fe.binary_cross_entropy(T > 0.5, lazy(single)), fe.binary_cross_entropy(t > 0.5, single))
    same(fe.binary_cross_entropy(1, P, weight=T), fe.binary_cross_entropy(1, p, weight=t))
    keep = t > 0.5
    result = fe.surprisal(P, where=lazy(keep)).compute()
    assert (result[keep] == fe.surprisal(p)[keep]).all()
    two = labels[:, 0] % 2
    same(fe.log_loss(lazy(two), lazy(p[:, 0, 0])), fe.log_loss(two, p[:, 0, 0]))


@pytest.mark.parametrize("reduction", ["mean", "sum", "weighted_mean"])
def test_reductions(reduction: str) -> None:
    """One number, still lazy."""
    row: Any = {"reduction": reduction}
    near(fe.entropy(P, weight=WEIGHT, **row), fe.entropy(p, weight=weight, **row))
    near(fe.log_loss(LABELS, P, weight=WEIGHT, **row), fe.log_loss(labels, p, weight=weight, **row))
    near(fe.surprisal(P, weight=T, **row), fe.surprisal(p, weight=t, **row))
    if reduction != "weighted_mean":
        near(fe.kl_divergence(P, Q, **row), fe.kl_divergence(p, q, **row))
        near(fe.binary_cross_entropy(T, P, **row), fe.binary_cross_entropy(t, p, **row))


def same_fields(got: Any, want: Any) -> None:
    """Check each field."""
    assert type(got) is type(want)
    for one, other in zip(got, want, strict=True):
        if other is None:
            assert one is None
        else:
            same(one, other)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), None], ids=str)
def test_softmax(axis: Any) -> None:
    """As many results as entries, in the chunks of the input."""
    axes = (0, 1, 2) if axis is None else np.atleast_1d(axis)
    array = P.rechunk({int(i): -1 for i in axes})
    for function in (fe.softmax, fe.log_softmax):
        options: list[Any] = [{}, {"temperature": 0.1}]
        for keywords in options:
            result = function(array, axis=axis, **keywords)
            same(result, function(p, axis=axis, **keywords))
            assert result.chunks == array.chunks
    single = p.astype(np.float32)
    same(fe.softmax(lazy(single)), fe.softmax(single))


@pytest.mark.parametrize(
    "keywords", [{}, {"base": 2}, {"temperature": 0.1}, {"keepdims": True}, {"ignore_index": 3}]
)
def test_scores(keywords: Any) -> None:
    """Every field, with a target that is lazy, or is not, or is missing."""
    want = fe.score_logits(labels, p, **keywords)
    for target, array in ((LABELS, P), (labels, P), (LABELS, p)):
        same_fields(fe.score_logits(target, array, **keywords), want)
    same_fields(fe.score_logits(None, P, **keywords), fe.score_logits(None, p, **keywords))
    columns = P.rechunk((-1, 2, 4))
    by_column = labels[0, 0] + np.zeros((3, 6), int)
    got = fe.score_logits(by_column, columns, axis=0, **keywords)
    same_fields(got, fe.score_logits(by_column, p, axis=0, **keywords))
    single = p.astype(np.float32)
    same_fields(fe.score_logits(None, lazy(single)), fe.score_logits(None, single))


def test_top_log_probs() -> None:
    """The largest and the chosen; chunks along the axis are joined."""
    for array in (P, P.rechunk((9, 3, 4))):
        for k in (0, 2, 6):
            same_fields(fe.top_log_probs(array, k), fe.top_log_probs(p, k))
        for axis in (0, 1):
            got = fe.top_log_probs(array, 3, axis=axis, base=2)
            same_fields(got, fe.top_log_probs(p, 3, axis=axis, base=2))
        places = rng.integers(0, 6, (40, 3, 4))
        for given in (places, places[:1], places[0], places[0, 0]):
            want = fe.top_log_probs(p, given)
            for own in (given, lazy(given, (5, 2, 3)[-given.ndim :])):
                same_fields(fe.top_log_probs(array, own), want)
                same_fields(fe.top_log_probs(p, da.asarray(own)), want)
        same_fields(fe.top_log_probs(array, [2, 0], axis=1), fe.top_log_probs(p, [2, 0], axis=1))
    single = p.astype(np.float32)
    same_fields(fe.top_log_probs(lazy(single), 2), fe.top_log_probs(single, 2))


def test_chunks_of_unknown_size() -> None:
    """As boolean selection leaves them."""
    keep = (t[..., 0] > 0.5).ravel()
    got = fe.entropy(P.reshape(-1, 6)[keep], reduction="mean").compute()
    assert got == pytest.approx(fe.entropy(p.reshape(-1, 6)[keep], reduction="mean"), rel=1e-15)
    some, rows = P.reshape(-1, 6)[keep], p.reshape(-1, 6)[keep]
    assert (fe.softmax(some).compute() == fe.softmax(rows)).all()
    for lazily, want in (
        (fe.score_logits(None, some)[1:5], fe.score_logits(None, rows)[1:5]),
        (fe.top_log_probs(some, 2), fe.top_log_probs(rows, 2)),
    ):
        for one, other in zip(dask.compute(*lazily), want, strict=True):
            assert (one == other).all()


def test_one_pass() -> None:
    """Each block of the input is asked for once, and nothing before compute()."""
    seen: list[Any] = []

    def load(block: Any) -> Any:
        seen.append(block.shape)
        return block

    source = P.map_blocks(load, meta=P._meta)
    result = fe.entropy(source, reduction="mean")
    assert seen == []
    result.compute(scheduler="synchronous")
    assert len(seen) == P.npartitions
    for fields in (fe.score_logits(LABELS, source), fe.top_log_probs(source, 2)):
        seen.clear()
        dask.compute(*fields, scheduler="synchronous")
        assert len(seen) == P.npartitions


def test_errors() -> None:
    """What is wrong with the call at once, what is wrong with the data when computed."""
    with pytest.raises(ValueError, match=r"3 chunks along axis -1.*p\.rechunk\(\{-1: -1\}\)"):
        fe.entropy(P.rechunk((4, 3, 2)))
    same(fe.entropy(P.rechunk((4, 3, 2)).rechunk({-1: -1})), fe.entropy(p))
    with pytest.raises(TypeError, match="out cannot take the result of Dask arrays"):
        fe.entropy(P, out=np.empty((40, 3)))
    with pytest.raises(TypeError, match="complex128"):
        fe.entropy(P.astype(complex))
    with pytest.raises(ValueError, match="reduction must be one of"):
        fe.entropy(P, reduction="max")
    bad = labels.copy()
    bad[33, 1] = 9
    result = fe.log_loss(lazy(bad), P)
    with pytest.raises(
        ValueError, match=r"labels: element \(5, 1\) is 9, but there are 6"
    ) as error:
        result.compute()
    assert "from the start of a block" in error.value.__notes__[0]
    for fields in (fe.score_logits(lazy(bad), P), fe.top_log_probs(P, lazy(bad[..., None]))):
        with pytest.raises(ValueError, match=r"element \(5, 1(, 0)?\) is 9, .* 6 classes") as error:
            fields[1].compute()
        assert "from the start of a block" in error.value.__notes__[0]
    scattered = P.rechunk((4, 3, 2))
    for call in (fe.softmax, lambda x: fe.score_logits(None, x)):
        with pytest.raises(ValueError, match=r"pass logits\.rechunk\(\{-1: -1\}\)"):
            call(scattered)
    with pytest.raises(ValueError, match="indices_or_k is 7, but there are 6 classes"):
        fe.top_log_probs(P, 7)
    with pytest.raises(TypeError, match="class indices are integers"):
        fe.top_log_probs(P, T)
    with pytest.raises(ValueError, match="unknown length"):
        fe.top_log_probs(P, da.arange(6)[da.arange(6) > 2])
    with pytest.raises(TypeError, match="out cannot take the result of Dask arrays"):
        fe.score_logits(None, P, out=(None,) * 6)
    for reduction in ("none", "mean"):
        result = fe.entropy(lazy(p * 2), check=True, reduction=reduction)
        with pytest.raises(ValueError, match="sums to"):
            result.compute()


def test_operands_that_are_not_lazy() -> None:
    """Scalars stay weak, lists and large arrays are cut between rows, a lazy weight is enough."""
    single = P.astype(np.float32)[..., 0]
    same(fe.binary_cross_entropy(1.0, single), fe.binary_cross_entropy(1.0, single.compute()))
    keep = [True] * 6
    same(fe.surprisal(P, where=keep), fe.surprisal(p))
    with dask.config.set({"array.chunk-size": "256B"}):
        same(fe.kl_divergence(P, q), fe.kl_divergence(p, q))
    same(fe.entropy(p, weight=WEIGHT), fe.entropy(p, weight=weight))
    with pytest.raises(ValueError, match=r"labels has shape \(1, 3\), but prob .* \(40, 3\)"):
        fe.log_loss(labels[:1], P)


def test_functions_pickle() -> None:
    """Public functions and the measures behind lazy graphs."""
    for name in fe.__all__:
        function = getattr(fe, name)
        assert pickle.loads(pickle.dumps(function)) is function
    graph = fe.entropy(P, base=2)
    assert (pickle.loads(pickle.dumps(graph)).compute() == fe.entropy(p, base=2)).all()


@pytest.mark.filterwarnings("ignore")
def test_cluster() -> None:
    """Two processes: the bits of one."""
    distributed = pytest.importorskip("distributed")
    mean = fe.binary_cross_entropy(T, P, reduction="mean").compute()
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster):
        same(fe.entropy(P), fe.entropy(p))
        assert fe.binary_cross_entropy(T, P, reduction="mean").compute() == mean
