"""What is left of our replies to a message that was deleted."""

from typing import get_args

import pytest

from services.responder.domain.deletions import withdraw
from services.responder.domain.replies import State
from tests.unit.responder.builders import MINUTE, NOON, reply

TAKEN_BACK = {"draft", "approval_pending", "queued", "manual_required"}
WITHOUT_TEXT = {"refused", "canceled"}


@pytest.mark.parametrize("state", get_args(State))
def test_what_never_went_out_goes_with_its_text_and_what_may_be_out_stays(state: State) -> None:
    after = withdraw(reply(state, version=3, reason="before"), NOON + MINUTE)

    if state in TAKEN_BACK:
        assert after is not None
        assert (after.state, after.reason, after.text, after.version) == ("canceled", "deleted", "", 4)
    elif state in WITHOUT_TEXT:
        assert after is not None
        assert (after.state, after.reason, after.text, after.version) == (state, "before", "", 4)
    else:
        assert after is None


def test_a_text_goes_once() -> None:
    assert withdraw(reply("canceled", text=""), NOON) is None
