"""What looks like a secret is not shown, and what does not is."""

from __future__ import annotations

import pytest

from forkpoint.secrecy import redacted


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("train.py --api-key=abc --lr=0.1", "train.py --api-key=*** --lr=0.1"),
        ("train.py --password hunter2 data.csv", "train.py --password *** data.csv"),
        ("train.py --wandb_token abc --seed 3", "train.py --wandb_token *** --seed 3"),
        ("train.py --max-tokens 512 --max_tokens=512", "train.py --max-tokens 512 --max_tokens=512"),
        ("train.py --use-auth --verbose", "train.py --use-auth --verbose"),
        ("train.py --monkey=banana --name=key", "train.py --monkey=banana --name=key"),
    ],
)
def test_arguments_that_follow_secret_names_are_hidden(given: str, shown: str) -> None:
    assert redacted(given.split()) == shown.split()
