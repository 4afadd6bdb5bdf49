"""Row by row: what goes wrong (ARCHITECTURE.md, "What can break"), and the tests that hold what then happens.

The table names each test; one that goes missing, or a row without one, fails here. The tests themselves live beside the
room they are about, and carry the number of their row in their name.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROWS: dict[int, tuple[str, ...]] = {
    1: ("sync/test_cost.py::test_1_a_lock_left_behind_pauses_the_folder_and_is_removed_when_old",),
    2: (
        "sync/test_kill.py::test_2_killed",
        "daemon/test_faults.py::test_2_a_process_is_killed",
        "soak/test_killed.py::test_2_killed_at_any_moment",
    ),
    3: (
        "sync/test_own_commits.py::test_3_a_commit_beside_the_tip_is_rebuilt_and_rescued",
        "sync/test_own_commits.py::test_3_a_rebase",
        "sync/test_own_commits.py::test_3_a_reset_backwards_takes_nothing_away",
        "sync/test_own_commits.py::test_3_on_another_branch_syncing_goes_on",
        "sync/test_own_commits.py::test_3_detached",
        "sync/test_own_commits.py::test_3_in_the_middle_of_a_merge",
        "sync/test_own_commits.py::test_3_what_is_staged_stays_staged",
    ),
    4: (
        "sync/test_remote_troubles.py::test_4_a_lost_race_is_retried_within_the_cycle",
        "sync/test_remote_troubles.py::test_4_a_lost_answer_is_looked_up_not_repeated",
    ),
    5: (
        "sync/test_remote_troubles.py::test_5_a_rewritten_branch_halts_until_it_is_accepted",
        "sync/test_remote_troubles.py::test_5_a_push_never_resurrects",
    ),
    6: ("sync/test_remote_troubles.py::test_6_a_refusal_is_parked",),
    7: (
        "sync/test_credentials.py::test_7_a_remote_that_wants_credentials",
        "sync/test_credentials.py::test_7_an_unknown_host_key_and_a_changed_one",
        "sync/test_credentials.py::test_7_an_ssh_key_that_is_not_let_in",
    ),
    8: (
        "sync/test_remote_troubles.py::test_8_away_and_back",
        "sync/test_remote_troubles.py::test_8_over_http_that_hangs",
    ),
    9: (
        "sync/test_remote_troubles.py::test_9_an_empty_remote_is_begun",
        "sync/test_remote_troubles.py::test_9_two_begin_at_once",
        "sync/test_remote_troubles.py::test_9_a_deleted_branch_asks",
    ),
    10: ("sync/test_remote_troubles.py::test_10_unrelated_histories_are_refused",),
    11: ("sync/test_remote_troubles.py::test_11_a_shallow_clone_works",),
    12: (
        "sync/test_cost.py::test_12_a_full_disk_is_said_before_anything_is_written",
        "sync/test_cost.py::test_12_a_folder_that_cannot_be_written",
        "sync/test_full_disk.py::test_12_a_cycle_on_a_full_disk",
        "sync/test_full_disk.py::test_12_send_on_a_full_disk_is_refused_or_durable",
        "inbox/test_full_disk.py::test_12_a_ledger_on_a_full_disk",
    ),
    13: (
        "sync/test_hand_edits.py::test_13_an_emptied_folder_asks",
        "sync/test_hand_edits.py::test_13_a_mass_deletion_that_arrives_asks",
        "sync/test_hand_edits.py::test_13_moving_to_the_archive_is_no_deletion",
    ),
    14: ("sync/test_hand_edits.py::test_14_bytes_are_kept",),
    15: (
        "sync/test_refused_files.py::test_15_it_is_not_split_by_anybody",
        "sync/test_quiet.py::test_15_a_long_file_is_no_burden",
    ),
    16: ("sync/test_hand_edits.py::test_16_a_name_the_file_system_cannot_take_is_never_read_as_deleted",),
    17: (
        "sync/test_hand_edits.py::test_17_links_and_folders_in_place_of_files_are_refused",
        "sync/test_hand_edits.py::test_17_a_linked_folder_is_not_followed",
        "sync/test_in_the_way.py::test_17_a_folder_on_the_branch_makes_our_file_wait",
    ),
    18: (
        "sync/test_presence.py::test_18_a_copied_clone_is_noticed_and_both_stop",
        "sync/test_presence.py::test_18_a_newcomer_with_a_taken_id",
    ),
    19: ("sync/test_choices.py::test_19_the_clones_lock_has_an_owner",),
    20: (
        "daemon/test_clocks.py::test_20_three_clocks_days_apart",
        "daemon/test_clocks.py::test_20_a_clock_that_is_set_back_while_the_process_runs",
    ),
    21: ("cli/test_signing.py::test_21_nothing_is_signed_and_nobody_is_asked",),
    22: (
        "daemon/test_watching.py::test_22_without_a_watcher_the_next_cycle_finds_the_edit",
        "daemon/test_watching.py::test_22_a_dead_watcher_is_replaced",
        "daemon/test_watching.py::test_22_own_writes_bring_no_cycle",
    ),
    23: (
        "sync/test_cost.py::test_23_gc_by_somebody_else_takes_nothing_in_flight",
        "sync/test_cost.py::test_23_gc_that_prunes_everything_at_once_stops_nothing_for_long",
    ),
    24: ("sync/test_own_commits.py::test_24_conflict_markers_are_text",),
    25: (
        "sync/test_power_loss.py::test_25_what_is_pushed_is_on_the_disk_first",
        "sync/test_power_loss.py::test_25_a_file_is_on_the_disk_before_it_takes_its_place",
        "sync/test_power_loss.py::test_25_rows_that_stand_for_an_effect_are_synced",
    ),
}


@cache
def _tests_in(file: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(file.read_bytes())
    found = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in tree.body if isinstance(node, found) and node.name.startswith("test_")}


def test_the_table_has_the_rows_that_the_architecture_names() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = [int(number) for number in re.findall(r"^\| (\d+) \|", text.split("## What can break")[1], re.MULTILINE)]
    assert named == list(ROWS) == list(range(1, 26))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_held_by_its_tests(row: int) -> None:
    for name in ROWS[row]:
        file, _, test = name.partition("::")
        assert test.startswith(f"test_{row}_"), f"{test} does not carry its row"
        found = _tests_in(ROOT / "tests" / file).get(test)
        assert found is not None, f"row {row}: {name} went missing"
        marks = [ast.unparse(mark) for mark in found.decorator_list]
        assert not [mark for mark in marks if ".skip" in mark or "xfail" in mark], f"{name} is not run: {marks}"
