"""The convolutional network for 28×28 images."""

from __future__ import annotations

import torch
from torch import nn


class Cnn(nn.Module):
    """Conv 32 3×3 ReLU, max-pool 2, Conv 64 3×3 ReLU, max-pool 2, flatten, dense 64 ReLU, dense 10.

    Takes [batch, 1, 28, 28], gives logits [batch, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 5 * 5, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def initialise(self) -> None:
        """He et al. 2015 for what a ReLU follows, zero biases."""
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits
