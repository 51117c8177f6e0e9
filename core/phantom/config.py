"""The configuration of a synthetic study. All of it is SYNTHETIC: no value is measured on any person."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from core.domain.vocabulary import TRAINED_MARGINS, Part

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]

Confounder = Literal["none", "training", "random", "absent"]
"""The marker mode. none: the study has no marker. training: a marker correlated with the class
(``marker_agreement``). random: a marker drawn independently of the class. absent: no marker, in a study whose
training images carry one. The last two draw everything else alike. The same patients can therefore be evaluated
with and without the marker."""


class Difficulty(msgspec.Struct, frozen=True, kw_only=True):
    """The difficulty of the margin task. Lengths are shares of the lesion's mean radius.

    Each lesion shows its sign on a part of its boundary only; the rest is weakly defined in the same way for
    all classes. All ranges are drawn uniformly and independently of size, contrast, density and shape.

    Reference with the defaults: a network of four stages (12-24-48-64 channels), trained for a minute on 410 ROIs
    of 112 px. It reaches a macro AUROC of about 0.96 on 150 others, and 0.6 once a band about the outline is
    covered (tests/core/phantom/test_difficulty.py).
    """

    sign_share: tuple[Share, Share] = (0.38, 0.82)
    """Share of the boundary that shows the sign."""
    rest_width: tuple[Positive, Positive] = (0.12, 0.19)
    """Half-width of the weakly defined edge."""
    sharp_width: tuple[Positive, Positive] = (0.035, 0.1)
    """Half-width of the edge where it is circumscribed."""
    fade_width: tuple[Positive, Positive] = (0.27, 0.43)
    """Half-width of the edge where it is indistinct."""
    spicule_count: tuple[int, int] = (22, 36)
    """Spicules of a lesion whose whole boundary shows them."""
    spicule_length: tuple[Positive, Positive] = (0.4, 1.1)
    spicule_strength: tuple[Positive, Positive] = (0.4, 0.7)
    """Brightness at the root over the brightness of the mass."""
    strands: float = 0.7
    """Brightness of the fibres of ordinary tissue, which resemble spicules, over its usual value."""
    texture: float = 1.0
    """Amplitude of the power-law texture over its usual value."""


class PhantomConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One synthetic study. Equal configurations give equal bytes, patient by patient, in any order."""

    patients: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 330
    """One mass each, seen in CC and MLO."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 1
    class_balance: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    """Weights of circumscribed, indistinct, spiculated."""
    height: Annotated[int, msgspec.Meta(ge=400, le=6000)] = 900
    width: Annotated[int, msgspec.Meta(ge=300, le=6000)] = 700
    """The width of each mammogram in pixels."""
    slices: Annotated[int, msgspec.Meta(ge=1, le=200)] = 1
    """The number of slices of each image: 1 for mammograms, more for tomosyntheses with slices of 1 mm."""
    spacing_mm: Annotated[float, msgspec.Meta(ge=0.05, le=0.4)] = 0.2
    diameter_mm: tuple[Positive, Positive] = (9.0, 22.0)
    """The diameter of a circle of the lesion's area."""
    contrast: tuple[Positive, Positive] = (300.0, 740.0)
    """Brightness of the mass inside its outline over that of the ring around it, in grey levels of 4096."""
    spectral_exponent: tuple[Positive, Positive] = (2.8, 3.2)
    """The exponent of the texture's power spectrum, 1/f^exponent (about 3 in mammograms: Burgess 1999)."""
    malignant_probability: tuple[Share, Share, Share] = (0.1, 0.5, 0.85)
    """The probability of a malignant biopsy, given the margin."""
    biopsy_missing: Share = 0.04
    """Share of findings without a biopsy result."""
    reader_noise: Positive = 1.2
    """Standard deviation, in logits, of the reader's estimate of malignancy."""
    confounder: Confounder = "none"
    test_patients: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The number of patients, the last ones, for the test part; 0 leaves the split to the study."""
    test_confounder: Confounder = "none"
    """The marker mode for the patients of the test part, in place of ``confounder``."""
    marker_agreement: Share = 0.8
    """Share of the ``training`` images whose marker is the one of their class."""
    marker_radius: Annotated[float, msgspec.Meta(gt=0, le=0.2)] = 0.075
    """The radius of the marker, as a share of the lesion's larger side."""
    marker_grey: Positive = 1150.0
    """Brightness of the marker over what lies below it, in grey levels of 4096."""
    only: Part | None = None
    """Make the patients of this part alone (training or test): parts can then be separate sources."""
    patient_prefix: str = "SYN"
    """Begins every patient identifier; another one lets two studies of one seed stand side by side."""
    difficulty: Difficulty = Difficulty()

    def __post_init__(self) -> None:
        if self.patients < 1 or self.test_patients < 0 or self.seed < 0:
            raise ValueError("A phantom study needs at least one patient, and a seed that is not negative")
        if self.test_patients > self.patients:
            raise ValueError("A phantom study cannot have more test patients than patients")
        if min(self.height, self.width) * self.spacing_mm < 4 * self.diameter_mm[1]:
            raise ValueError("The images are too small for the lesions: enlarge them or make the lesions smaller")
        for low, high in (self.diameter_mm, self.contrast, self.spectral_exponent):
            if low > high:
                raise ValueError("A range of the phantom's configuration ends before it begins")


CLASSES = TRAINED_MARGINS


def patient_id(config: PhantomConfig, index: int) -> str:
    return f"{config.patient_prefix}-{config.seed}-{index:05d}"


def part_of(config: PhantomConfig, index: int) -> Part:
    """The part that a patient was made for; all TRAINING where ``test_patients`` is 0."""
    return Part.TEST if index >= config.patients - config.test_patients else Part.TRAINING


def patients_of(config: PhantomConfig) -> range:
    """The patients that are made."""
    first_of_test = config.patients - config.test_patients
    return range(
        first_of_test if config.only is Part.TEST else 0,
        first_of_test if config.only is Part.TRAINING else config.patients,
    )


def confounder_of(config: PhantomConfig, index: int) -> Confounder:
    return config.test_confounder if part_of(config, index) is Part.TEST else config.confounder


SUBTLE = Difficulty(
    sign_share=(0.37, 0.77),
    sharp_width=(0.04, 0.102),
    fade_width=(0.257, 0.40),
    spicule_count=(19, 32),
    spicule_length=(0.385, 1.0),
    spicule_strength=(0.39, 0.678),
)
"""Subtle margins beside a conspicuous marker: a model without guidance on the region takes the marker.

The phantom's usual margins are so distinct that hardly any model needs the marker."""
MARKER_RADIUS, MARKER_GREY = 0.12, 1500.0
"""The radius and grey level of the conspicuous marker."""


def confounded(
    *, patients: int, test_patients: int, seed: int, test: Confounder, height: int = 900, width: int = 700
) -> PhantomConfig:
    """A study with a marker that goes with the class in training, and is drawn at random or absent in test.

    With the same seed, the ``random`` and the ``absent`` study differ in their test patients' markers only, so
    models are compared on the same patients with and without the marker. ValueError as of ``PhantomConfig``.
    """
    return PhantomConfig(
        patients=patients,
        test_patients=test_patients,
        seed=seed,
        confounder="training",
        test_confounder=test,
        height=height,
        width=width,
        marker_radius=MARKER_RADIUS,
        marker_grey=MARKER_GREY,
        difficulty=SUBTLE,
    )
