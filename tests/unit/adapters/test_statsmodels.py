"""statsmodels: a restored model goes on with the parameters that it is given then, not with those it was saved with."""

from __future__ import annotations

import numpy as np
import pytest
from in_memory import again

pytest.importorskip("statsmodels")

from statsmodels.tsa.statespace.sarimax import SARIMAX  # noqa: E402
from statsmodels.tsa.statespace.structural import UnobservedComponents  # noqa: E402

LEVELS = np.sin(np.arange(60) / 5)


def test_compiled_objects_work_in_the_arrays_of_their_model() -> None:
    model = SARIMAX(LEVELS, order=(1, 0, 1))
    model.loglike([0.5, 0.2, 1.0])
    compiled = model.ssm._kalman_filters["d"]
    assert again((model, compiled))[1].model is not compiled.model
    back, kalman_filter = again((model, compiled))
    assert back.loglike([0.1, 0.9, 2.0]) == model.loglike([0.1, 0.9, 2.0])
    assert kalman_filter is back.ssm._kalman_filters["d"]
    assert np.shares_memory(kalman_filter.model.transition, back.ssm._representations["d"]["transition"])


def test_what_a_model_is_initialized_with_is_what_it_says_later() -> None:
    model = UnobservedComponents(LEVELS, "local level")
    model.ssm.initialize_known(np.array([0.5]), np.array([[2.0]]))
    model.loglike([1.0, 0.5])
    back = again(model)
    for each in (model, back):
        each.ssm.initialization.constant[:] = 7.0
    assert back.loglike([1.0, 0.5]) == model.loglike([1.0, 0.5])


def test_a_statespace_that_is_not_initialized_yet_has_room_for_it() -> None:
    model = SARIMAX(LEVELS, order=(2, 0, 1))
    model.ssm._initialize_representation()
    assert not model.ssm._statespaces["d"].initialized
    back = again(model)
    assert back.loglike([0.5, 0.1, 0.2, 1.0]) == model.loglike([0.5, 0.1, 0.2, 1.0])
