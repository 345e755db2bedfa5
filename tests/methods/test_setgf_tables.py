"""Tables of generated labels: the update, the clamp, centres as running means."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from msabench_methods.setgf.labels import LabelTables


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """New tensors in double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def make(**options: Any) -> LabelTables:
    return LabelTables(6, (3, 2, 1, 2), **{"bound": 3.0, "exclude_zero": False, **options})


def test_example_of_the_label_update() -> None:
    # distances to the centres: 1 and 1.5 for M, 1 and 2 for the others; y_m = 1
    tables = LabelTables(2, (1, 1, 1, 1), bound=3.0, exclude_zero=False)
    tables.centres[1] = torch.tensor([-1.5, 2.0, -2.0, 2.0])
    tables.centres[0] = torch.tensor([1.0, 1.0, -1.0, 1.0])
    zero = [torch.zeros(1, 1)] * 4
    for epoch, expected in ((2, 1.5), (3, 1.375), (10, 1.1363636363636)):
        labels = tables.generated(torch.ones(4, 1), zero, epoch)
        assert labels[0].item() == 1
        assert labels[1:, 0].tolist() == pytest.approx([expected] * 3, abs=1e-7)


def test_labels_stay_within_the_bound() -> None:
    tables = make(bound=1.0)
    rows, y = torch.arange(6), torch.linspace(-1, 1, 6)
    for epoch in range(1, 9):
        tables.observe(rows, y, [torch.rand(6, w) for w in tables.widths], epoch)
    assert torch.equal(tables.labels[0], y)
    assert tables.labels.abs().max() <= 1


@pytest.mark.parametrize("exclude_zero", [False, True])
def test_running_centres_are_means_over_the_table(exclude_zero: bool) -> None:
    tables = make(exclude_zero=exclude_zero)
    y = torch.tensor([1.0, -2.0, 0.0, 0.5, -0.3, 2.0])
    torch.manual_seed(0)
    for epoch in range(1, 5):
        for rows in torch.randperm(6).split(4):
            tables.observe(rows, y[rows], [torch.randn(len(rows), w) for w in tables.widths], epoch)
    parts = zip(tables.labels, tables.features.split(tables.widths, 1), strict=True)
    for i, (labels, features) in enumerate(parts):
        positive = labels > 0 if exclude_zero else labels >= 0
        for side, members in enumerate((positive, labels < 0)):
            centre = tables.centres[side].split(tables.widths)[i]
            torch.testing.assert_close(centre, features[members].mean(0), atol=1e-12, rtol=0)


def test_a_class_without_rows_keeps_its_centre() -> None:
    tables = make()
    features = [torch.ones(6, w) for w in tables.widths]
    tables.centres.fill_(7.0)
    tables.observe(torch.arange(6), torch.ones(6), features, 1)
    assert tables.centres[0].tolist() == [1.0] * 8
    assert tables.centres[1].tolist() == [7.0] * 8


def test_a_row_that_was_not_seen_has_the_datasets_label() -> None:
    tables = make()
    tables.observe(torch.tensor([2]), torch.tensor([0.5]), [torch.ones(1, w) for w in tables.widths], 1)
    assert tables.of(torch.tensor([1, 2]), torch.tensor([-3.0, 9.0])).tolist() == [[-3.0, 0.5]] * 4
