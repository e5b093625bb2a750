"""The recurrent network: it reads an image as a sequence of rows."""

from __future__ import annotations

import torch
from torch import nn


class Rnn(nn.Module):
    """An LSTM of one layer, whose last output goes through a dense layer to 10 classes.

    Args:
        features: pixels in a step: 28 for 28 rows, 784 for the whole image in one step.
        hidden: size of the LSTM's state.
    """

    def __init__(self, features: int = 28, hidden: int = 128) -> None:
        super().__init__()
        self.features = features
        self.lstm = nn.LSTM(features, hidden, num_layers=1, batch_first=True)
        self.dense = nn.Linear(hidden, 10)

    def initialise(self) -> None:
        """Set random weights.

        Input weights are uniform (Glorot and Bengio 2010), recurrent weights orthogonal (Saxe et al. 2014), biases
        zero, except the forget gates' which are 1, so that the state is kept at first (Jozefowicz et al. 2015).
        """
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
        """Return the logits of the ten classes, [batch, 10].

        Args:
            images: float32 [batch, 1, 28, 28].
        """
        steps, _ = self.lstm(images.reshape(-1, 784 // self.features, self.features))
        logits: torch.Tensor = self.dense(steps[:, -1])
        return logits
