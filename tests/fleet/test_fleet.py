"""The stories of ``make fleet``, told to a small fleet: nothing false, nothing missed, in time."""

from dataclasses import replace

import pytest

from tests.fleet.stories import STORIES, Story, play


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name.replace(" ", "-"))
async def test_a_story_is_told_as_it_is(story: Story, tmp_path) -> None:
    if story.within_s is not None:  # how soon the first is due depends on how many there are
        story = replace(story, within_s=story.within_s + 8)
    result = await play(story, tmp_path, stations=200, sites=10, length_s=900)
    assert result.passed, result
    assert result.feed == (story.name in ("our link down 10 min", "half-open link 10 min", "gateway stopped 20 min"))


async def test_small_sites_that_are_cut_off_together_are_told_once_where_they_have_a_region(tmp_path) -> None:
    cut = next(story for story in STORIES if story.name == "60 sites cut off")
    result = await play(cut, tmp_path, stations=400, sites=100, length_s=400, regions=10)
    assert (result.false_incidents, result.detected, result.tickets) == (0, 120, 3)
