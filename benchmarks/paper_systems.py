"""What the papers compare, as data: the systems with the flags that train them, and the tables with their numbers.

CycleGAN is Zhu et al. 2017, pix2pix is Isola et al. 2017. A row of a table is a line here.
"""
from dataclasses import dataclass

TO_PHOTO, TO_LABELS = "labels->photo", "photo->labels"
Scores = tuple[float, float, float]
"""Per-pixel accuracy, per-class accuracy and class IoU, 0 to 1."""


@dataclass(frozen=True)
class System:
    """One way to train. The labels are always A in `flags`.

    name: of its runs; flags: of train.py; netG: {netG} is that of the budget, {side} is its --pix2pix_size; pix2pix:
    whether it is trained at that size; both_ways: one run translates in both directions; pairs: it learns from pairs.
    """

    name: str
    flags: str
    netG: str = "{netG}"
    pix2pix: bool = False
    both_ways: bool = False
    pairs: bool = False


@dataclass(frozen=True)
class Row:
    """A line of a table. system: its name in SYSTEMS; published: the numbers of the paper."""

    title: str
    system: str
    published: Scores


@dataclass(frozen=True)
class Table:
    """A table of a paper. ceiling: what the paper gives for the real photos, None where it does not."""

    key: str
    title: str
    task: str
    rows: tuple[Row, ...]
    ceiling: Scores | None = None


def _unpaired(name: str, flags: str, both_ways: bool = True) -> System:
    return System(name, flags, both_ways=both_ways)


def _cycle_gan(name: str, flags: str = "") -> System:
    """Without the identity loss, which the paper uses for paintings only (section 5.2). The forward cycle is that of
    the labels, F(G(x)) = x with x in A (figure 7)."""
    return _unpaired(name, f"--model cycle_gan --lambda_identity 0 {flags}".strip())


def _pix2pix(name: str, flags: str = "", netG: str = "unet_{side}") -> System:
    return System(name, f"--model pix2pix {flags}".strip(), netG, pix2pix=True, pairs=True)


SYSTEMS = {system.name: system for system in (
    _unpaired("cogan", "--model cogan"),
    _unpaired("bigan", "--model bigan"),
    _unpaired("simgan", "--model simgan", both_ways=False),
    _unpaired("feature_gan", "--model feature_gan", both_ways=False),
    _cycle_gan("cycle_gan"),
    System("pix2pix", "--model pix2pix", pairs=True),
    _cycle_gan("cycle_alone", "--lambda_gan 0"),
    _cycle_gan("gan_alone", "--lambda_A 0 --lambda_B 0"),
    _cycle_gan("gan_forward", "--lambda_B 0"),
    _cycle_gan("gan_backward", "--lambda_A 0"),
    _pix2pix("l1", "--lambda_gan 0"),
    _pix2pix("gan", "--unconditional_D --lambda_L1 0"),
    _pix2pix("cgan", "--lambda_L1 0"),
    _pix2pix("l1_gan", "--unconditional_D"),
    _pix2pix("l1_cgan"),
    _pix2pix("encoder_decoder_l1", "--lambda_gan 0", "encoder_decoder_{side}"),
    _pix2pix("encoder_decoder_l1_cgan", "", "encoder_decoder_{side}"),
    _pix2pix("patch_1", "--netD pixel"),
    _pix2pix("patch_16", "--netD n_layers --n_layers_D 1"),
    _pix2pix("patch_286", "--netD n_layers --n_layers_D 5"),
)}

TABLES = (
    Table("cyclegan_table2", "CycleGAN, Table 2: FCN scores of labels→photo", TO_PHOTO, (
        Row("CoGAN", "cogan", (.40, .10, .06)),
        Row("BiGAN/ALI", "bigan", (.19, .06, .02)),
        Row("SimGAN", "simgan", (.20, .10, .04)),
        Row("Feature loss + GAN", "feature_gan", (.06, .04, .01)),
        Row("CycleGAN", "cycle_gan", (.52, .17, .11)),
        Row("pix2pix", "pix2pix", (.71, .25, .18)))),
    Table("cyclegan_table3", "CycleGAN, Table 3: classification of photo→labels", TO_LABELS, (
        Row("CoGAN", "cogan", (.45, .11, .08)),
        Row("BiGAN/ALI", "bigan", (.41, .13, .07)),
        Row("SimGAN", "simgan", (.47, .11, .07)),
        Row("Feature loss + GAN", "feature_gan", (.50, .10, .06)),
        Row("CycleGAN", "cycle_gan", (.58, .22, .16)),
        Row("pix2pix", "pix2pix", (.85, .40, .32)))),
    Table("cyclegan_table4", "CycleGAN, Table 4: ablation, FCN scores of labels→photo", TO_PHOTO, (
        Row("Cycle alone", "cycle_alone", (.22, .07, .02)),
        Row("GAN alone", "gan_alone", (.51, .11, .08)),
        Row("GAN + forward cycle", "gan_forward", (.55, .18, .12)),
        Row("GAN + backward cycle", "gan_backward", (.39, .14, .06)),
        Row("CycleGAN", "cycle_gan", (.52, .17, .11)))),
    Table("cyclegan_table5", "CycleGAN, Table 5: ablation, classification of photo→labels", TO_LABELS, (
        Row("Cycle alone", "cycle_alone", (.10, .05, .02)),
        Row("GAN alone", "gan_alone", (.53, .11, .07)),
        Row("GAN + forward cycle", "gan_forward", (.49, .11, .07)),
        Row("GAN + backward cycle", "gan_backward", (.01, .06, .01)),
        Row("CycleGAN", "cycle_gan", (.58, .22, .16)))),
    Table("pix2pix_losses", "pix2pix, losses: FCN scores of labels→photo", TO_PHOTO, (
        Row("L1", "l1", (.42, .15, .11)),
        Row("GAN", "gan", (.22, .05, .01)),
        Row("cGAN", "cgan", (.57, .22, .16)),
        Row("L1 + GAN", "l1_gan", (.64, .20, .15)),
        Row("L1 + cGAN", "l1_cgan", (.66, .23, .17))), ceiling=(.80, .26, .21)),
    Table("pix2pix_architectures", "pix2pix, architectures: FCN scores of labels→photo", TO_PHOTO, (
        Row("Encoder-decoder (L1)", "encoder_decoder_l1", (.35, .12, .08)),
        Row("Encoder-decoder (L1 + cGAN)", "encoder_decoder_l1_cgan", (.29, .09, .05)),
        Row("U-Net (L1)", "l1", (.48, .18, .13)),
        Row("U-Net (L1 + cGAN)", "l1_cgan", (.55, .20, .14)))),
    Table("pix2pix_patches", "pix2pix, patches of the discriminator: FCN scores of labels→photo", TO_PHOTO, (
        Row("1x1", "patch_1", (.39, .15, .10)),
        Row("16x16", "patch_16", (.65, .21, .17)),
        Row("70x70", "l1_cgan", (.66, .23, .17)),
        Row("286x286", "patch_286", (.42, .16, .11)))),
)
