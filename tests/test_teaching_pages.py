"""The teacher's guide says what chapters and exercises say: numbers, minutes, ids, prerequisites, hints, figures."""

from __future__ import annotations

import importlib
import json
import re
from functools import cache

import pytest
import torch

from minilib.check import check
from tests.notebook_files import CHAPTERS, EXERCISES, ROOT, code_cells, read
from tests.teaching_pages import NUMBERS, described, needs, page, reading_minutes, rows, section, told

SESSION, MEMO = 90, 15
every_chapter = pytest.mark.parametrize("chapter", NUMBERS)


# The front page ------------------------------------------------------------------------------------------------------
@every_chapter
def test_two_sessions_add_up(chapter):
    own = [row for row in rows(page("teaching")) if chapter in (row[0], row[0][1:3])]
    (shared,) = [row for row in own if len(row) == 4]
    (minutes,) = [row for row in own if len(row) == 6]
    in_class = sum(int(total) for total in re.findall(r"\((\d+)\)", " ".join(shared[1:3])))
    heading, reading, exercises, talk, both = minutes[1].strip("*"), *map(int, minutes[2:])
    assert re.search(rf"^## {re.escape(heading)}$", told(chapter), re.MULTILINE)
    assert reading == reading_minutes(chapter)
    assert exercises == in_class
    assert reading + exercises + talk == both == 2 * SESSION


# The plans -----------------------------------------------------------------------------------------------------------
PLANS = {"Six weeks": 6, "Ten weeks": 10, "Fourteen weeks": 14}
every_plan = pytest.mark.parametrize("plan", PLANS)


@cache
def lessons(plan: str) -> list[tuple[int, str, list[int], list[int], bool]]:
    """Week, chapter, exercises in class, exercises at home, memo at home: the first table of a plan."""
    found = []
    for row in rows(section("teaching_plans", plan)):
        if len(row) == 4 and (chapter := re.match(r"\[(\d\d)\]\(\.\./notebooks/\1_", row[1])):
            in_class, at_home = ([int(n) for n in re.findall(r"\d+", cell.split("(")[0])] for cell in row[2:])
            for cell, numbers in ((row[2], in_class), (row[3], at_home)):
                memo = MEMO * ("memo" in cell)
                minutes = [entry["minutes"] for entry in described(chapter[1]).values()]
                assert f"({sum(minutes[n - 1] for n in numbers) + memo})" in cell, f"{plan}, {row}"
            found.append((int(row[0]), chapter[1], in_class, at_home, "memo" in row[3]))
    return found


def week(plan: str, number: int) -> tuple[int, int, int]:
    """Minutes of exercises in class, of reading in class, and of all that is done at home."""
    own = [lesson for lesson in lessons(plan) if lesson[0] == number]
    exercises = reading = home = 0
    for _, chapter, in_class, at_home, memo in own:
        minutes = [entry["minutes"] for entry in described(chapter).values()]
        half = -(-reading_minutes(chapter) // 10) * 5
        exercises += sum(minutes[n - 1] for n in in_class)
        reading += reading_minutes(chapter) if len(own) == 1 else half
        home += sum(minutes[n - 1] for n in at_home) + MEMO * memo + half * (len(own) == 2)
    return exercises, reading, home


@every_plan
def test_every_week_of_a_plan_adds_up(plan):
    told = [row for row in rows(section("teaching_plans", plan)) if len(row) == 4 and row[1].isdigit()]
    assert [int(row[0]) for row in told] == list(range(1, PLANS[plan] + 1))
    for row in told:
        exercises, reading, home = week(plan, int(row[0]))
        said, talk = map(int, row[2].split(" + "))
        assert (int(row[1]), said, int(row[3])) == (exercises, reading, home), f"{plan}, week {row[0]}"
        assert exercises + reading + talk == 2 * SESSION
        assert talk >= 45
        assert home <= 160


@every_plan
def test_a_week_holds_one_chapter_or_two(plan):
    weeks = [lesson[0] for lesson in lessons(plan)]
    assert sorted(weeks) == weeks
    assert all(weeks.count(number) in (1, 2) for number in range(1, PLANS[plan] + 1))
    assert all(sum(lesson[4] for lesson in lessons(plan) if lesson[0] == number) == 1 for number in weeks)


@every_plan
def test_a_plan_names_all_that_it_leaves_out(plan):
    text = section("teaching_plans", plan)
    taken = {chapter: sorted(in_class + at_home) for _, chapter, in_class, at_home, _ in lessons(plan)}
    left = {}
    for row in rows(text):
        if len(row) == 2 and re.fullmatch(r"[\d, ]+", row[1]):
            left[row[0]] = [int(n) for n in row[1].split(",")]
    assert left.keys() <= taken.keys()
    for chapter in taken:
        assert sorted(taken[chapter] + left.get(chapter, [])) == list(range(1, len(described(chapter)) + 1)), chapter
    named = re.search(r"\*\*Left out:\*\* (?:chapters ([\d, and]+))?", text)[1] or ""
    assert set(re.findall(r"\d\d", named)) == set(NUMBERS) - taken.keys()


@every_plan
def test_a_plan_sums_up_its_hours(plan):
    home = sum(week(plan, number)[2] for number in range(1, PLANS[plan] + 1))
    done = sum(len(in_class) + len(at_home) for _, _, in_class, at_home, _ in lessons(plan))
    everything = sum(len(described(chapter)) for chapter in NUMBERS)
    assert (
        f"In all: {PLANS[plan] * 3} hours in class, {home // 60} hours {home % 60} minutes at home, "
        f"{done} of {everything} exercises." in section("teaching_plans", plan)
    )


@every_plan
def test_what_a_plan_builds_on_is_taught_before_or_taken_on_trust(plan):
    trusted = {row[0] for row in rows(section("teaching_plans", plan)) if len(row) == 2 and not row[1][0].isdigit()}
    before: set[str] = set()
    missing: set[str] = set()
    for _, chapter, *_ in lessons(plan):
        missing |= set(needs(chapter)) - before
        before.add(chapter)
    assert missing == trusted


@every_chapter
def test_the_exercises_end_in_a_memo_of_fifteen_minutes(chapter):
    (path,) = [path for path in EXERCISES if path.stem.startswith(chapter)]
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in read(path).cells}
    assert f"{MEMO} minutes" in cells["memo_question"]


# The goals -----------------------------------------------------------------------------------------------------------
@every_chapter
def test_a_chapter_has_three_or_four_goals_and_every_exercise_shows_one(chapter):
    goals = section("teaching_goals", f"{chapter} ·").split("\n- ")[1:]
    shown = [re.findall(r"`([\w.]+)`", goal.split("shown by")[1]) for goal in goals]
    assert 3 <= len(goals) <= 4
    assert all(shown)
    assert sorted(id for ids in shown for id in ids) == sorted(described(chapter))


@every_chapter
def test_the_prerequisites_are_those_of_the_chapter(chapter):
    asked = re.search(r"\*\*You need\*\*(.*?)\n\n|\*\*You need\*\*(.*)", told(chapter), re.DOTALL)[0]
    links = set(re.findall(r"\((\d\d)_", asked))
    assert links <= set(needs(chapter))
    assert set(needs(chapter)) <= {number for number in NUMBERS if number < chapter}
    if " to " not in asked:  # "02 to 05" names those in between, too
        assert links == set(needs(chapter))


# The misconceptions --------------------------------------------------------------------------------------------------
@cache
def misconceptions(chapter: str) -> list[str]:
    """The entries of a chapter, each on one line."""
    text = section("teaching_misconceptions", f"{chapter} ·")
    entries = re.findall(r'^"[^\n]+"\n: .*?(?=^"|\Z)', text, re.MULTILINE | re.DOTALL)
    return [" ".join(entry.split()) for entry in entries]


@cache
def hints(id: str) -> list[str]:
    """What the typical wrong answers to an exercise are told."""
    (path,) = [path for path in EXERCISES if path.stem.startswith(id[:2])]
    double = any("set_default_dtype(torch.float64)" in cell.source for cell in code_cells(path))
    torch.set_default_dtype(torch.float64 if double else torch.float32)
    try:
        wrong = importlib.import_module(f"tests.wrong_answers.ch{id[:2]}").WRONG[id]
        return [dict(check(id, answer).lines).get("likely", "") for answer, _ in wrong]
    finally:
        torch.set_default_dtype(torch.float32)


@every_chapter
def test_each_misconception_is_exposed_by_an_exercise_whose_hint_is_quoted(chapter):
    assert len(misconceptions(chapter)) >= 3
    for entry in misconceptions(chapter):
        found = re.search(r'\*Exposed by\* exercise (\d), `([\w.]+)`.*\*The hint:\* "(.+)"$', entry)
        assert found, entry
        number, id, hint = found.groups()
        assert list(described(chapter))[int(number) - 1] == id
        assert any(hint in one for one in hints(id)), f"no wrong answer to {id} is told {hint!r}"


@every_chapter
def test_the_figures_and_questions_of_the_misconceptions_stand_in_the_chapter(chapter):
    (path,) = [path for path in CHAPTERS if path.stem.startswith(chapter)]
    figures = {cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in code_cells(path)}
    asked = [" ".join(one.split()) for one in re.findall(r"<summary>▸ (.*?)</summary>", told(chapter), re.DOTALL)]
    for entry in misconceptions(chapter):
        assert set(re.findall(r"\{numref\}`([\w-]+)`", entry)) <= figures
        for question in re.findall(r'predict first "(.*?)"', entry):
            assert question in asked


def test_the_page_on_grading_says_what_was_measured():
    text = page("teaching_grading")
    stored = json.loads((ROOT / "benchmarks" / "results" / "classroom.json").read_text("utf8"))
    seconds = {chapter: found["seconds"]["grade"] for chapter, found in stored["chapters"].items()}
    assert all(found["submissions"] == 30 for found in stored["chapters"].values())
    assert "A class of thirty takes less than a minute in most chapters" in text
    assert max(value for chapter, value in seconds.items() if chapter < "11") < 60
    assert "about a minute and a half where PyTorch is loaded" in text
    assert 75 < seconds["11_from_numpy_to_pytorch"] < 105
