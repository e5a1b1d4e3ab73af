"""The options of evaluate.py itself."""
from options.schema import Group, option


class MeasureOptions(Group):
    """measuring"""

    metrics: str = option("", "which, with commas between; a wrong name lists them all. Left out: mae of pairs, rec of "
                          "cycles", once=True)
    palette: str = option("", "file of the classes and colours of label pictures; left out: found in the real ones",
                          once=True)
    features: str = option("inception", "whose features fid and kid compare: inception, or self, which is trained on "
                           "the real images", once=True, choices=("inception", "self"))
    feature_weights: str = option("", "file or folder of that network's weights, or of LPIPS's; left out: torch's "
                                  "cache (self: not kept)", once=True)
    real: str = option("", "folder of real images, or of results; equal names in --fake are pairs", once=True)
    fake: str = option("", "folder of translations, or of results", once=True)
    json: str = option("", "also write all numbers to this file", once=True)
    csv: str = option("", "also write the numbers of each image to this file", once=True)
