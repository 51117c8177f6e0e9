"""Standardisation of a trunk's features, set once at the start of a run."""

from __future__ import annotations

import torch

from core.data.roi_set import RoiSet
from core.domain.events import IsCancelled, never
from core.model.trunk import ChannelStandardise, TrunkNetwork
from core.training.fixed_draws import features_of
from core.training.team import ALONE, Team


def standardise(
    network: TrunkNetwork,
    training: RoiSet,
    features: torch.Tensor | None,
    *,
    team: Team = ALONE,
    cancelled: IsCancelled = never,
) -> None:
    """Set mean and deviation of each channel from the un-augmented training ROIs, where the architecture has it.

    ``features`` (n, C, H, W): the trunk's output for these ROIs where it is cached.
    """
    layer = network.standardise
    if not isinstance(layer, ChannelStandardise):
        return
    if team.leads:
        found = features_of(network, training, cancelled=cancelled) if features is None else features
        layer.set_from(found.to(layer.mean.device))
    team.hand_out(network)
