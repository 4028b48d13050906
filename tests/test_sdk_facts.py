"""What a program sees of us is what it saw of the SDK, as `tests/golden/sdk.json` has recorded it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sdk_facts import CALLS, FLAVOURED, GOLDEN, MEMBERS, WIRE, observe

SDK: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text())
OURS: dict[str, dict[str, Any]] = json.loads(json.dumps(observe("gpuqio")))

OTHER_DEFAULTS = {
    "print_progress": "False",  # quiet unless asked
    "metadata": "None",
    "average_queue_time": "0",  # a target of this machine has no queue to ask about
    "current_availability": "'Available'",
}

# One signature for all flavours.
OTHER_NAMES = {("aio members", "upload_attachment", "blob_name"): "name"}

# Where the SDK lets the words of Python or of its JSON reader through, the type is the same and the words are ours.
OWN_WORDS = ("KeyError", "TypeError", "JSONDecodeError", "invalid literal", "from_json(text(terms=[{")


def test_the_golden_file_knows_what_is_observed() -> None:
    assert {section: sorted(facts) for section, facts in SDK.items()} == {
        section: sorted(facts) for section, facts in OURS.items()
    }


@pytest.mark.parametrize("section", ["names", "enums"])
def test_names_and_values_are_the_sdk_s(section: str) -> None:
    assert OURS[section] == SDK[section]


def test_job_details_have_the_sdk_s_fields() -> None:
    assert set(OURS["details"]["JobDetails"]) >= set(SDK["details"]["JobDetails"])


@pytest.mark.parametrize(
    ("section", "path"), [*(("members", path) for path in MEMBERS), *(("aio members", path) for path in FLAVOURED)]
)
def test_methods_take_the_sdk_s_arguments(section: str, path: str) -> None:
    for name, theirs in SDK[section][path].items():
        ours = OURS[section][path][name]
        if not isinstance(theirs, list) or name == "target_names":
            assert ours == theirs, name
            continue
        wanted = [parameter for parameter in theirs if not parameter[0].startswith("**")]
        for mine, (parameter, default) in zip(ours, wanted, strict=False):
            assert mine[0] == OTHER_NAMES.get((section, name, parameter), parameter), name
            assert default in (mine[1], "...") or mine[1] == OTHER_DEFAULTS[parameter], (name, parameter)
        assert len(ours) >= len(wanted), name
        own = [mine for mine in ours[len(wanted) :] if mine[2:] != ["keyword"]]
        assert {mine[0] for mine in own} <= {"**kwargs", "session_id"}, name  # asyncio had no sessions


@pytest.mark.parametrize("code", WIRE)
def test_the_wire_carries_what_the_sdk_s_carried(code: str) -> None:
    assert OURS["wire"][code] == SDK["wire"][code]


@pytest.mark.parametrize("code", CALLS)
def test_calls_return_and_raise_what_the_sdk_s_do(code: str) -> None:
    ours, theirs = OURS["calls"][code], SDK["calls"][code]
    if theirs[0] == "returns":
        assert ours == theirs
        return
    _, words, types = theirs
    assert ours[0] == "raises"
    assert types[0] in ours[2]
    if not any(own in f"{code} {types[0]} {words}" for own in OWN_WORDS):
        assert ours[1].startswith(words.rstrip("."))
