"""The learning rate over a phase: linear warm-up, then a cosine down to a tenth."""

from __future__ import annotations

import math

FLOOR = 0.1
"""What the cosine ends at, as a share of the peak. Ours."""


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """The rate of 0-based `step` of `steps`. `warmup` is the share of the steps that climb to `peak`.

    The first step has a rate above zero, the last one `FLOOR * peak`, or `peak` where every step climbs.
    """
    climbing = max(1, round(warmup * steps))
    if step < climbing:
        return peak * (step + 1) / climbing
    done = (step - climbing + 1) / max(1, steps - climbing)
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
