"""Typical wrong answers to the exercises of chapter 12, and what each must be told."""

from __future__ import annotations

from minilib.check.ch12_plans import PATIENTS, _fits, _offer, _parts
from minilib.check.ch12_speed import _intensity, _pays, _queue, _verdict


def with_fault(compute, fault):
    def wrong(*case):
        return compute(*case, fault)

    return wrong


def wrongs(compute, **fragments):
    """Each fault, with its blanks as underscores, and a piece of the hint that it must get."""
    return [(with_fault(compute, fault.replace("_", " ")), fragment) for fault, fragment in fragments.items()]


def finding(name, what):
    return lambda: {**PATIENTS, name: what}


def name_alone(*case):
    return _offer(*case)[0]


WRONG = {
    "12.intensity": wrongs(
        _intensity,
        half="are two operations",
        forward_flop="two more products",
        forward_bytes="each of the three products",
        no_weights="nearly all that moves",
        weights_once="move three times",
        no_outputs="outputs were forgotten",
        no_inputs="inputs were forgotten",
        square="not square",
        numbers="per number",
        bits="not bits",
        inverted="not bytes per operation",
    ),
    "12.pays": wrongs(
        _pays,
        new="not by what a compiled call takes",
        old="took before",
        ratio="not by the ratio",
        shapes="every shape",
        never="not faster never pays",
        down="round up",
        one_more="one call too many",
    ),
    "12.parts": wrongs(
        _parts,
        mean_of_means="every part has the same say",
        sum_of_means="added up",
        last="only the last part",
        twice="divided twice",
        rows_of_the_last="rows of the last part, not",
        rows_of_the_first="rows of the first part, not",
        sum="sum over rows; the mean",
    ),
    "12.verdict": wrongs(
        _verdict,
        broken="still takes the mean",
        first="warms up",
        mean="pulls the mean away",
        least="not the least",
        upper="the mean of the middle two",
        lower="the mean of the middle two",
        control="A against itself",
        once="not once",
        inverted="B is faster",
        zero="ratio of 1.0",
    ),
    "12.fits": wrongs(
        _fits,
        one_mean="two running means",
        always_Adam="plain descent none",
        no_master="exist twice",
        no_gradients="gradients were forgotten",
        half_states="stay in 32 bits",
        only_activations="before the first window",
        negative="the answer is 0",
        up="round down",
    ),
    "12.profiles": [
        (finding("A", "healthy"), "how often is each called"),
        (finding("B", "healthy"), "Whose own time"),
        (finding("C", "crumbs"), "how many calls"),
        (finding("D", "healthy"), "a part before the network"),
        (finding("A", "slow"), "is not among"),
        (lambda: ["crumbs"], "give a finding for each"),
    ],
    "12.queue": wrongs(
        _queue,
        cpu="timer without synchronize",
        waits="overlap",
        look="at a look",
        largest="a lower bound",
        before="when its launch is over",
        share="idle share",
        seconds="a share of the whole",
    ),
    "12.offer": [
        *wrongs(
            _offer,
            peak="takes the peak",
            forward="6 operations",
            one_price="one device an hour",
            one_device="faster together",
            late="not done in time",
            fastest="the fastest is not",
            by_the_hour="not the lowest bill",
        ),
        (name_alone, "two things"),
    ],
}
