"""What the benchmarks of image fusion print, and which of our metrics and conventions that is."""

from typing import NamedTuple

import pandas as pd

from wdualmine.metrics import get_metric


class Entry(NamedTuple):
    """One column of a benchmark: its name there, our key and convention, and what stays different."""

    name: str
    key: str
    convention: str
    remark: str = ""


#: X. Zhang, P. Ye, G. Xiao, 2020, https://arxiv.org/abs/2002.03322; read in its released MATLAB code.
VIFB = (
    Entry("CE", "CE", "shared-levels"),
    Entry("EN", "EN", "bits"),
    Entry("MI", "MI", "nats"),
    Entry("PSNR", "PSNR", "root-over-pixels"),
    Entry("AG", "AG", "per-cell"),
    Entry("EI", "EI", "replicated-border"),
    Entry("SD", "SD", "population"),
    Entry("SF", "SF", "per-pixel"),
    Entry("Qabf", "Qabf", "equal-slip"),
    Entry("Qcb", "Qcb", "publication"),
    Entry("Qcv", "Qcv", "alpha-5"),
    Entry("RMSE", "RMSE", "root-over-pixels"),
    Entry("SSIM", "SSIM", "mean-gaussian-11", "the sum over the sources: twice ours"),
)

#: X. Zhang, 2021, DOI 10.1016/j.inffus.2021.02.005; read in its released MATLAB code.
MEFB = (
    Entry("CE", "CE", "shared-levels"),
    Entry("EN", "EN", "bits"),
    Entry("FMI", "FMI-edge", "fast-fmi"),
    Entry("NMI", "NMI", "publication"),
    Entry("PSNR", "PSNR", "root-over-pixels"),
    Entry("QNCIE", "Qncie", "base-256"),
    Entry("TE", "TE", "sum"),
    Entry("AG", "AG", "per-cell"),
    Entry("EI", "EI", "replicated-border"),
    Entry("QABF", "Qabf", "equal-slip"),
    Entry("QP", "Qp", "mixed-moment-slip"),
    Entry("SD", "SD", "population"),
    Entry("SF", "SF", "per-pixel"),
    Entry("QC", "Qc", "result-slip"),
    Entry("QW", "Qw", "ssim-edges", "the edge factor of Qe"),
    Entry("QY", "Qy", "gaussian-7"),
    Entry("MEF-SSIM", "MS-SSIM", "mef"),
    Entry("QCB", "Qcb", "publication"),
    Entry("QCV", "Qcv", "alpha-5"),
    Entry("VIF", "VIFF", "smaller-gain"),
)

BENCHMARKS = {"VIFB": VIFB, "MEFB": MEFB}


def benchmark_names() -> pd.DataFrame:
    """Map the names of VIFB and MEFB to ours: a row a name, with our key and convention and a remark."""
    return pd.DataFrame(
        [
            {
                "Benchmark": benchmark,
                "Name there": entry.name,
                "Ours": entry.key,
                "Convention": entry.convention,
                "Better": get_metric(entry.key).direction,
                "Remark": entry.remark,
            }
            for benchmark, entries in BENCHMARKS.items()
            for entry in entries
        ]
    )
