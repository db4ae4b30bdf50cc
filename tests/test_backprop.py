"""The homework itself: shapes, ranges, and the networks it is graded on."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from grader.assignments import backprop
from grader.assignments.backprop import SHAPES, Network, draw, draw_problem, forward


def networks(seed=0):
    random = Random(seed)
    return [draw_problem(shape, random) for shape in SHAPES]


def test_the_eight_widths():
    assert set(SHAPES) == {
        (3, 1), (2, 1), (2, 3, 1), (3, 3, 3, 1), (4, 2, 3, 1), (3, 3, 3, 3, 1), (2, 3, 3, 1, 2, 1), (3, 2, 1, 2, 1),
    }  # fmt: skip


@pytest.mark.parametrize("widths", SHAPES, ids=str)
def test_parts_have_the_shapes_and_ranges_of_the_statement(widths):
    net = draw_problem(widths, Random(1))
    L = len(widths) - 1
    shapes = {(call.part.id, call.arguments[0]): backprop.reference(call).shape for call in backprop.calls(net)}
    expected = {("a1", L): (1, 1), ("a2", L): (1, widths[L - 1]), ("b1", L): (1, widths[L - 1])}
    for l in range(1, L):
        expected["a3", l] = (widths[l], widths[l])
        expected["b2", l] = (widths[l], widths[l - 1])
        if l > 1:
            expected["a4", l] = (widths[l], widths[l - 1])
    assert shapes == expected


def test_the_forward_pass_is_the_statement_s():
    for net in networks():
        assert net.y[0].shape == (net.widths[0],)
        for l in range(1, net.L):
            np.testing.assert_array_equal(net.y[l], net.sigma(net.A[l] @ net.y[l - 1] + net.b[l]))
        np.testing.assert_array_equal(net.y[net.L], net.A[net.L] @ net.y[net.L - 1] + net.b[net.L])


def test_references_use_the_given_y():
    """Another y gives another answer: nothing is computed again from x."""
    net = networks()[4]
    moved = Network(net.A, net.b, tuple(y + 0.1 for y in net.y), net.sigma, net.dsigma)
    assert not np.allclose(backprop.a3(2, net), backprop.a3(2, moved))


def test_entries_are_of_either_sign_and_never_near_zero():
    for net in networks():
        entries = np.concatenate([v.reshape(-1) for v in (*net.A[1:], *net.b[1:], net.y[0])])
        assert (np.abs(entries) >= 0.5).all()
        assert (np.abs(entries) <= 1.5).all()
        assert entries.min() < 0 < entries.max()


def test_sigma_is_new_in_every_network_and_its_derivative_never_near_one_or_nought():
    nets = networks()
    assert len({tuple(net.sigma.constants.values()) for net in nets}) == len(nets)
    z = np.linspace(-20, 20, 4001)
    for net in nets:
        assert net.dsigma(z).min() >= 0.25
        assert net.dsigma(z).max() <= 0.85
        h = 1e-30
        np.testing.assert_allclose(net.dsigma(z), net.sigma(z + 1j * h).imag / h, rtol=1e-13)


def test_draws_are_vetted():
    for seed in range(30):
        for net in networks(seed):
            for l in range(1, net.L):
                z = net.z(l)
                assert len(z) == 1 or z.min() < 0 < z.max()
            single = Network(*(backprop._single(v) for v in (net.A, net.b, net.y)), net.sigma, net.dsigma)
            for part, l in backprop._parts(net.L):
                exact, rough = backprop.REFERENCES[part](l, net), backprop.REFERENCES[part](l, single)
                assert np.abs(exact - rough).max() <= 1e-6 * np.abs(exact).max()


def test_a_draw_has_every_l_of_every_network_smallest_first():
    calls = draw(3)
    assert [call.place for call in calls[:3]] == ["l = 1, widths 2-1"] * 3
    assert len(calls) == sum(3 * (len(w) - 1) - (len(w) > 2) for w in SHAPES) == 63
    depths = [len(call.arguments[1]) - 1 for call in calls]
    assert depths[0] == 1
    assert depths[-1] == 5


def test_a_student_is_told_the_size_of_the_layer():
    scales = {call.place: call.scale for call in draw(3)}
    assert scales["l = 1, widths 2-3-1"] == "a layer of 3 units after one of 2"
    assert scales["l = 2, widths 2-3-1"] == "a layer of 1 unit after one of 3"


def test_forward_may_start_in_the_middle():
    net = networks()[5]
    assert forward(net.A, net.b, net.y[2], net.sigma, start=2)[:2] == (None, None)
    np.testing.assert_array_equal(forward(net.A, net.b, net.y[2], net.sigma, start=2)[-1], net.y[-1])
