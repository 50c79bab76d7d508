import pytest

from tlimb.training.data.batches import TrainLength, batches_of


@pytest.mark.parametrize(
    ("rows", "size", "batches"), [(16, 8, 2), (20, 8, 3), (17, 8, 2), (9, 8, 1), (1, 8, 1), (5, 1, 5)]
)
def test_a_single_left_over_sample_joins_the_batch_before_it(rows, size, batches):
    assert batches_of(rows, size) == batches
    assert TrainLength(rows, size, 1, 3, None).batches == 3 * batches


def test_every_sample_is_in_one_batch_of_the_epoch_whatever_is_left_over():
    for rows in range(1, 40):
        for size in range(1, 12):
            count = batches_of(rows, size)
            ends = [rows if i + 1 == count else (i + 1) * size for i in range(count)]
            lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
            assert sum(lengths) == rows
            assert all(1 <= length <= size + 1 for length in lengths)
            assert size == 1 or rows == 1 or min(lengths) > 1
