"""Lightning's own first example: an autoencoder, a Trainer, its progress bar, CSV logs and checkpoints."""

import logging

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch import nn, optim, utils


class Digits(utils.data.Dataset):
    """Noisy pictures of bars, 8 by 8 points each."""

    def __init__(self, size, seed):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randint(0, 8, (size,), generator=generator)
        self.images = torch.zeros(size, 8, 8)
        self.images[torch.arange(size), rows] = 1.0
        self.images += 0.1 * torch.randn(self.images.shape, generator=generator)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


class LitAutoEncoder(L.LightningModule):
    def __init__(self, width=32, learning_rate=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 3))
        self.decoder = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))

    def training_step(self, batch, batch_idx):
        x = batch.view(batch.size(0), -1)
        loss = nn.functional.mse_loss(self(x), x)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x = batch.view(batch.size(0), -1)
        self.log("val_loss", nn.functional.mse_loss(self(x), x), prog_bar=True)

    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            print(f"epoch {self.current_epoch} val_loss {self.trainer.callback_metrics['val_loss'].item():.9f}")

    def configure_optimizers(self):
        optimizer = optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def main():
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    L.seed_everything(7)
    torch.set_num_threads(1)
    train_loader = utils.data.DataLoader(Digits(2000, 1), batch_size=20, shuffle=True)
    val_loader = utils.data.DataLoader(Digits(400, 2), batch_size=50)
    trainer = L.Trainer(
        max_epochs=12,
        accelerator="cpu",
        logger=CSVLogger("logs", name="autoencoder"),
        callbacks=[
            ModelCheckpoint(monitor="val_loss", save_top_k=2, filename="{epoch}-{val_loss:.4f}"),
            RichProgressBar(console_kwargs={"stderr": True}),
        ],
        log_every_n_steps=10,
        num_sanity_val_steps=2,
    )
    model = LitAutoEncoder()
    trainer.fit(model, train_loader, val_loader)
    print("best", trainer.checkpoint_callback.best_model_score.item())
    print("weights", sum(p.double().abs().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
