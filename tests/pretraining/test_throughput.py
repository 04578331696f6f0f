import time

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForPreTraining

from recipe.pretraining.masking import flat_batch
from recipe.pretraining.throughput import Throughput, counts_of, matmul_peak, training_flops

CONFIG = BertConfig(vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256)


def test_tokens_masked_tokens_and_pairs_of_a_batch_are_counted():
    ids, labels, lengths = np.arange(5), np.array([-100, 7, -100, 3, 2]), np.array([3, 2])
    batch = flat_batch(ids, ids, labels, lengths, np.array([0, 1]))
    assert counts_of(batch).tolist() == [3, 2, 5, 13]


def test_operations_are_those_that_torch_counts_in_the_stock_model():
    """Forward and backward of one full row with a prediction at every place; torch counts matrix products, as the
    formula does.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model = BertForPreTraining._from_config(CONFIG, attn_implementation="eager")
    ids = torch.randint(5, 500, (1, 100))
    with FlopCounterMode(display=False) as counter:
        model(ids, labels=ids, next_sentence_label=torch.tensor([0])).loss.backward()
    assert training_flops(CONFIG, 100, 100, 100**2) == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_a_line_has_speed_and_waiting_since_the_last_one():
    throughput = Throughput(CONFIG, peak=1e9)
    throughput.add(torch.tensor([10, 4, 100, 3000]), waited=0.01)
    time.sleep(0.1)
    line = throughput.line()
    assert 0 < line["tokens_per_second"] <= 1000
    assert line["gemm_utilization"] == pytest.approx(
        training_flops(CONFIG, 10, 100, 3000) * line["tokens_per_second"] / 100 / 1e9, rel=0.01
    )
    assert 0 < line["data_wait_share"] <= 0.1
    assert throughput.line()["tokens_per_second"] == 0


def test_time_between_stop_and_resume_is_left_out():
    throughput = Throughput(CONFIG, peak=1e9)
    throughput.add(torch.tensor([10, 4, 100, 3000]), waited=0.0)
    throughput.stop()
    time.sleep(0.3)
    throughput.resume()
    assert throughput.line()["tokens_per_second"] > 1000


def test_the_peak_is_that_of_a_matrix_product():
    assert 1e9 < matmul_peak(torch.device("cpu"), torch.float32) < 1e14
