"""What a study may claim: pure functions on arrays of results, nothing else."""

from sunetlab.study.verdict.edf import Band, dkw_band
from sunetlab.study.verdict.family import holm
from sunetlab.study.verdict.paired import Comparison, compare, compare_all, fewest_pairs, sign_flip_p
from sunetlab.study.verdict.power import detectable_effect, pairs_needed, power_of
from sunetlab.study.verdict.rank import Rank, kendall
from sunetlab.study.verdict.ranking import Ranking, ranked
from sunetlab.study.verdict.words import Verdict, judged

__all__ = [
    "Band",
    "Comparison",
    "Rank",
    "Ranking",
    "Verdict",
    "compare",
    "compare_all",
    "detectable_effect",
    "dkw_band",
    "fewest_pairs",
    "holm",
    "judged",
    "kendall",
    "pairs_needed",
    "power_of",
    "ranked",
    "sign_flip_p",
]
