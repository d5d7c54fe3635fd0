"""Hugging Face's Trainer on a GPT-2 of two small layers with random weights: evaluation, checkpoints, warm-up."""

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed
from transformers.trainer_callback import ProgressCallback


class Sums(Dataset):
    """Sums such as 12+7=19 as sequences of tokens: ten digits, plus, equals, end, padding."""

    letters = "0123456789+=. "

    def __init__(self, size, seed):
        rng = np.random.default_rng(seed)
        self.examples = []
        for a, b in rng.integers(0, 100, (size, 2)):
            text = f"{a}+{b}={a + b}.".ljust(12)
            self.examples.append(torch.tensor([self.letters.index(c) for c in text]))

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        ids = self.examples[index]
        labels = ids.clone()
        labels[ids == self.letters.index(" ")] = -100
        return {"input_ids": ids, "labels": labels}


class Losses(ProgressCallback):
    """The usual progress bar and lines, less what depends on the machine's speed."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        for row in (logs, state.log_history[-1]):
            for key in [key for key in row if key.endswith(("_runtime", "_per_second"))]:
                del row[key]
        super().on_log(args, state, control, logs=logs, **kwargs)


def main():
    set_seed(11)
    torch.set_num_threads(1)
    config = GPT2Config(
        vocab_size=len(Sums.letters),
        n_positions=16,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=12,
        eos_token_id=12,
    )
    model = GPT2LMHeadModel(config)
    arguments = TrainingArguments(
        output_dir="out",
        num_train_epochs=3,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=50,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_steps=50,
        logging_steps=25,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        report_to="none",
        use_cpu=True,
        seed=11,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Sums(1600, 1), eval_dataset=Sums(200, 2))
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Losses)
    trainer.train()
    print("final", repr(trainer.evaluate()["eval_loss"]))
    print("weights", sum(p.double().abs().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
