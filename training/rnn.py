"""The recurrent network: an image is a sequence of its rows."""

from __future__ import annotations

import torch
from torch import nn


class Rnn(nn.Module):
    """LSTM (hidden 128, one layer, batch first), whose last step feeds a dense layer to 10.

    Takes [batch, 1, 28, 28] as 28 steps of 28, or with `features=784` as one step of 784; gives logits [batch, 10].
    """

    def __init__(self, features: int = 28, hidden: int = 128) -> None:
        super().__init__()
        self.features = features
        self.lstm = nn.LSTM(features, hidden, num_layers=1, batch_first=True)
        self.dense = nn.Linear(hidden, 10)

    def initialise(self) -> None:
        """Glorot for inputs, orthogonal for the recurrence (Saxe et al. 2014), forget gates open (Jozefowicz 2015)."""
        for name, parameter in self.lstm.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            elif "weight_hh" in name:
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
        with torch.no_grad():
            hidden = self.lstm.hidden_size
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] = 1.0
        nn.init.xavier_uniform_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        steps, _ = self.lstm(images.reshape(-1, 784 // self.features, self.features))
        logits: torch.Tensor = self.dense(steps[:, -1])
        return logits
