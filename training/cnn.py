"""The convolutional network for images of 28 by 28 pixels."""

from __future__ import annotations

import torch
from torch import nn


class Cnn(nn.Module):
    """Two convolutions (32 and 64 filters, 3 by 3), each with ReLU and max-pooling, then dense layers of 64 and 10."""

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
        """Set normally distributed weights (He et al. 2015, for ReLU) and zero biases."""
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of the ten classes, [batch, 10].

        Args:
            images: float32 [batch, 1, 28, 28].
        """
        logits: torch.Tensor = self.layers(images)
        return logits
