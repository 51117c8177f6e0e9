"""The safety battery: where each of its rows is tested.

``quick``: tests of the default run. ``full``: by name (``pytest -m safety_full``), interruptible where long
(tests.safety.kept). ``note``: what is not tested, and why that is right; or what the figure is.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Row:
    what: str
    quick: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    note: str = ""


_STORE, _IMAGING, _MODEL = "tests/core/store", "tests/core/imaging", "tests/core/model"
_TRAINING, _CLI, _HERE = "tests/core/training", "tests/core/cli", "tests/safety"
_WINDOW, _APP = "tests/safety/window", "tests/app/window"
_PROFILE = "tests/core/deidentify/test_profile.py"

ROWS: dict[str, Row] = {
    "B-01": Row(
        what="kill -9 while annotating: no acknowledged stroke is lost",
        quick=(
            f"{_STORE}/test_crash.py::test_nothing_acknowledged_is_lost_when_the_process_is_killed",
            f"{_APP}/test_killed.py::test_every_acknowledged_stroke_is_there_after_a_kill",
            f"{_APP}/test_crash_reports.py::test_after_a_kill_the_study_says_what_was_recovered",
            "tests/core/tasks/studies/test_recovery.py::test_after_a_kill_all_that_was_under_way_is_listed",
        ),
        full=(f"{_STORE}/test_crash.py::test_nothing_acknowledged_is_lost_in_two_thousand_kills",),
        note="20 kills by default, 2,000 in full; one in four while the study is being opened",
    ),
    "B-02": Row(
        what="power loss between any two steps of a write",
        quick=(
            f"{_HERE}/test_disk.py::test_whenever_the_power_fails_a_file_is_the_old_one_or_the_new_one",
            f"{_HERE}/test_power.py::test_an_identity_file_is_the_one_before_or_the_one_after",
        ),
        note="upgrade, import, forgetting and pruning by name: pytest -m slow tests/safety/test_power.py (strace)",
    ),
    "B-03": Row(
        what="kill -9 while training: the weights of an uninterrupted run",
        quick=(
            f"{_TRAINING}/test_resume.py::"
            "test_a_run_killed_once_in_every_stage_ends_in_the_weights_of_an_uninterrupted_run",
        ),
        full=(f"{_HERE}/test_long_runs.py::test_two_hundred_kills_in_training_change_no_bit",),
    ),
    "B-04": Row(
        what="kill between projection or pruning and saving: one generation",
        quick=(
            f"{_MODEL}/test_checkpoint.py::test_a_crash_between_weights_and_card_leaves_the_previous_generation",
            f"{_TRAINING}/test_resume.py::"
            "test_a_run_killed_once_in_every_stage_ends_in_the_weights_of_an_uninterrupted_run",
        ),
    ),
    "B-05": Row(
        what="disk full at every writer",
        quick=(
            f"{_HERE}/test_disk.py::test_every_writer_says_in_a_sentence_that_it_cannot_write",
            f"{_STORE}/test_crash.py::test_a_full_disk_is_one_sentence_and_leaves_what_was_there",
            f"{_STORE}/test_crash.py::test_pixels_that_do_not_fit_are_not_half_there",
            f"{_CLI}/test_bad_input.py::test_a_full_disk_is_said_and_the_study_stays_sound",
            f"{_HERE}/test_archive.py::test_a_backup_that_does_not_fit_leaves_nothing",
            f"{_HERE}/test_workers.py::test_a_log_that_cannot_be_written_does_not_stop_the_job",
            f"{_APP}/test_window.py::test_a_full_disk_pauses_drawing_and_nothing_drawn_is_lost",
            "tests/core/platform/test_atomic.py::test_a_place_that_holds_no_files_is_a_sentence",
        ),
        note="HDF5 is built in memory and written as bytes, so that it cannot end the process on a full disk",
    ),
    "B-06": Row(
        what="read-only places",
        quick=(
            f"{_HERE}/test_disk.py::test_every_writer_says_in_a_sentence_that_it_cannot_write",
            f"{_STORE}/test_crash.py::test_a_study_that_one_may_only_read_opens_for_reading",
            f"{_APP}/test_window.py::test_a_study_that_somebody_else_holds_opens_for_reading_and_says_who",
            f"{_HERE}/test_network_disks.py::test_making_opening_and_restoring_are_refused_with_advice",
        ),
    ),
    "B-07": Row(
        what="every file that comes with pydicom",
        quick=(
            f"{_IMAGING}/test_worker.py::test_every_bundled_file_is_an_image_or_a_listed_refusal",
            f"{_WINDOW}/test_foreign.py::test_bundled_files_and_mutants_through_the_window",
        ),
    ),
    "B-08": Row(
        what="mutants of image files",
        quick=(
            f"{_IMAGING}/test_worker.py::test_mutants_never_reach_the_parent",
            f"{_WINDOW}/test_foreign.py::test_bundled_files_and_mutants_through_the_window",
        ),
        full=(
            f"{_IMAGING}/test_worker.py::test_five_thousand_mutants_never_reach_the_parent",
            f"{_HERE}/test_mutants.py::test_two_hundred_thousand_mutants_never_reach_the_program",
            f"{_WINDOW}/test_foreign.py::test_five_thousand_mutants_through_the_window",
        ),
        note="200 by default, 200,000 in full",
    ),
    "B-09": Row(
        what="fuzzing of parsers: tags and header budget, shapes, tables, COCO, tensors, backups, audit, answers",
        quick=(
            f"{_HERE}/test_mutants.py::test_nothing_but_refusals_comes_out_of_a_parser",
            "tests/pacs/test_fuzz.py::test_mutated_calls_leave_the_receiver_as_it_was",
            "tests/pacs/test_fuzz.py::test_mutated_answers_of_a_pacs_are_answers_or_a_sentence",
            "tests/pacs/test_fuzz.py::test_mutated_answers_of_a_web_server_are_answers_or_a_sentence",
        ),
        full=(
            "tests/pacs/test_fuzz.py::test_thousands_of_mutated_messages",
            f"{_HERE}/test_mutants.py::"
            "test_nothing_but_refusals_comes_out_of_a_parser_in_a_hundred_thousand_tries",
        ),
        note="coverage-guided with atheris where it is installed: python -m tests.safety.fuzz NAME",
    ),
    "B-10": Row(
        what="pixels of every encoding",
        quick=(
            f"{_IMAGING}/test_write_dicom.py::"
            "test_every_lossless_encoding_gives_the_pixels_of_the_uncompressed_twin",
            f"{_IMAGING}/test_write_dicom.py::test_signed_pixels_keep_their_sign",
            f"{_IMAGING}/test_reader.py::TestDicomEncodings::test_native_syntaxes",
        ),
        note="colour, palettes and 1 bit are refused (mammograms are grey), and the refusals tested",
    ),
    "B-11": Row(
        what="bombs are refused from the header",
        quick=(
            f"{_IMAGING}/test_reader.py::TestBombs::test_headers_that_announce_too_much",
            f"{_IMAGING}/test_reader.py::TestBombs::test_a_deflated_file_is_unpacked_to_the_cap_only",
            f"{_IMAGING}/test_reader.py::TestBombs::test_sequences_nested_three_thousand_deep",
            f"{_HERE}/test_mutants.py::test_bombs_are_refused_within_300_megabytes",
        ),
        full=(f"{_HERE}/test_mutants.py::test_bombs_are_measured",),
    ),
    "B-12": Row(
        what="files cut anywhere",
        quick=(f"{_IMAGING}/test_reader.py::test_a_file_that_is_cut_is_never_an_image",),
    ),
    "B-13": Row(
        what="hostile and damaged HDF5",
        quick=(
            f"{_HERE}/test_hostile_arrays.py::test_no_hostile_file_is_read_and_no_file_beside_it_opened",
            f"{_HERE}/test_hostile_arrays.py::test_damaged_files_are_met_in_a_child",
            f"{_HERE}/test_hostile_arrays.py::test_the_check_of_a_foreign_study_names_the_hostile_file",
            f"{_APP}/test_foreign_study.py::test_what_is_wrong_is_said_and_nothing_opened",
            f"{_APP}/test_foreign_study.py::test_a_study_that_kills_its_reader_is_a_sentence",
        ),
        full=(f"{_HERE}/test_hostile_arrays.py::test_two_thousand_damaged_files_are_met_in_a_child",),
        note="a FIFO stands for the file outside: whoever opened it would wait for ever",
    ),
    "B-14": Row(
        what="hostile checkpoints",
        quick=(
            f"{_MODEL}/test_checkpoint.py::test_never_executes_a_pickle_under_the_weights_name",
            f"{_MODEL}/test_checkpoint.py::test_refuses_a_pickle_given_as_the_model",
            f"{_MODEL}/test_checkpoint.py::test_refuses_weights_outside_the_folder",
            f"{_MODEL}/test_checkpoint.py::test_refuses_weights_that_are_not_finite",
            f"{_MODEL}/test_checkpoint.py::test_refuses_missing_and_extra_tensors",
            f"{_MODEL}/test_checkpoint.py::test_refuses_absurd_headers_before_allocating",
            f"{_MODEL}/test_weights.py::test_a_pickle_with_code_is_not_executed",
            f"{_CLI}/test_bad_input.py::test_a_pickle_for_a_checkpoint_is_never_opened",
        ),
    ),
    "B-15": Row(
        what="names, and archives",
        quick=(
            f"{_HERE}/test_names.py::test_hostile_names_reach_no_path",
            f"{_HERE}/test_names.py::test_names_that_steer_a_terminal_are_shown_without_effect",
            f"{_HERE}/test_names.py::test_a_file_name_that_is_no_text_is_no_obstacle",
            f"{_WINDOW}/test_foreign.py::test_foreign_words_are_words_in_every_place_of_the_window",
            f"{_WINDOW}/test_foreign.py::test_hostile_file_names_are_shown_as_they_are",
            "tests/core/explain/test_report.py::test_foreign_words_are_escaped",
            f"{_HERE}/test_archive.py::test_an_archive_writes_nothing_outside_its_folder",
            f"{_HERE}/test_archive.py::test_a_restored_study_is_the_study",
        ),
    ),
    "B-16": Row(
        what="files that are also programs",
        quick=(f"{_HERE}/test_names.py::test_a_program_in_the_preamble_is_warned_of_and_goes_nowhere",),
        note="original files are never copied, so that there is no exported preamble to clear",
    ),
    "B-17": Row(
        what="formulas in tables",
        quick=(
            f"{_HERE}/test_spreadsheets.py::test_no_cell_runs_whatever_separates_the_cells",
            f"{_HERE}/test_spreadsheets.py::test_exported_tables_are_safe_and_come_back",
        ),
        note="the program writes CSV and no XLSX",
    ),
    "B-18": Row(
        what="canaries in headers, names and identifiers",
        quick=(
            f"{_HERE}/test_privacy.py::test_no_canary_leaves_the_original_files",
            f"{_HERE}/test_nasty_files.py::test_no_canary_of_any_kind_leaves_the_files",
        ),
        note="the command line's features; window titles and recent files are the window's (tests/app)",
    ),
    "B-19": Row(
        what="a shared model holds no picture",
        quick=(
            f"{_HERE}/test_sharing.py::test_a_picture_in_a_tensor_is_found",
            f"{_HERE}/test_sharing.py::"
            "test_a_shared_model_has_no_picture_and_says_that_its_prototypes_are_latents",
        ),
    ),
    "B-20": Row(
        what="de-identification profile",
        quick=(
            f"{_HERE}/test_privacy.py::test_of_every_text_of_the_standard_only_the_listed_ones_are_read",
            f"{_PROFILE}::test_every_row_is_obeyed",
            f"{_PROFILE}::test_uids_are_the_same_across_files_and_references",
            f"{_PROFILE}::test_a_second_time_changes_nothing",
        ),
        note="what a study keeps is built from a list of tags; files that `deidentify` writes obey every row",
    ),
    "B-21": Row(
        what="tampering with the audit trail",
        quick=(
            f"{_STORE}/test_audit.py::test_the_verifier_names_the_first_bad_record",
            f"{_STORE}/test_audit.py::test_records_cannot_be_changed_or_deleted",
            f"{_STORE}/test_audit.py::test_ten_thousand_actions_are_written_and_verified",
            f"{_HERE}/test_forgetting.py::test_an_erasure_is_told_from_tampering",
        ),
    ),
    "B-22": Row(
        what="static rules, parts list, no network",
        quick=(
            "tests/architecture/test_safety_rules.py::test_no_file_breaks_a_rule_of_safety",
            "tests/architecture/test_safety_rules.py::test_a_rule_finds_what_it_is_for",
            f"{_HERE}/test_documents.py::test_every_dependency_is_a_listed_part_and_no_other",
            f"{_HERE}/test_privacy.py::test_no_canary_leaves_the_original_files",
        ),
    ),
    "B-23": Row(
        what="two programs, one study",
        quick=(
            f"{_HERE}/test_two_programs.py::test_two_programs_lose_no_write",
            f"{_STORE}/test_locking.py::test_a_second_process_is_kept_out_also_through_a_link",
            f"{_STORE}/test_locking.py::test_what_a_dead_process_left_is_cleared",
            f"{_STORE}/test_locking.py::test_a_copy_of_an_open_study_opens",
        ),
        full=(f"{_HERE}/test_two_programs.py::test_two_programs_lose_none_of_a_thousand_writes",),
    ),
    "B-24": Row(
        what="NaN in training",
        quick=(
            f"{_TRAINING}/test_trainer.py::"
            "test_a_loss_that_is_not_finite_stops_within_one_step_and_keeps_the_last_finite_state",
            f"{_TRAINING}/test_parts.py::test_an_image_that_is_not_finite_is_named",
        ),
    ),
    "B-25": Row(
        what="memory of the device runs out",
        quick=(
            f"{_TRAINING}/test_trainer.py::test_when_memory_runs_out_the_batch_is_halved_and_the_user_told",
            f"{_TRAINING}/test_trainer.py::test_memory_that_does_not_suffice_for_one_image_is_an_error",
        ),
    ),
    "B-26": Row(
        what="workers that die",
        quick=(
            f"{_HERE}/test_workers.py::test_whatever_becomes_of_a_worker_the_program_goes_on",
            f"{_HERE}/test_workers.py::test_no_worker_outlives_its_parent",
            f"{_IMAGING}/test_worker.py::test_whatever_the_child_does_is_a_refusal_of_one_file",
            f"{_WINDOW}/test_deaths.py::test_the_window_lives_whatever_a_worker_dies_of",
        ),
        full=(
            f"{_HERE}/test_workers.py::test_a_hundred_deaths_of_workers_leave_nothing_and_are_said_soon",
            f"{_WINDOW}/test_deaths.py::test_the_window_lives_a_hundred_of_a_hundred_times",
        ),
    ),
    "B-27": Row(
        what="memory over many cases and explanations",
        quick=(
            f"{_HERE}/test_long_runs.py::test_memory_is_flat_over_cases_and_explanations",
            f"{_WINDOW}/test_day.py::test_cases_opened_and_closed_leave_nothing",
            f"{_WINDOW}/test_dialogs.py::test_a_dialog_that_was_closed_is_gone",
        ),
        full=(
            f"{_HERE}/test_long_runs.py::test_memory_is_flat_over_a_thousand_cases_and_explanations",
            f"{_WINDOW}/test_day.py::test_a_thousand_cases_opened_and_closed_leave_nothing",
            f"{_WINDOW}/test_dialogs.py::test_two_hundred_of_each_dialog_leave_nothing",
        ),
    ),
    "B-28": Row(
        what="soak",
        quick=(
            f"{_HERE}/test_long_runs.py::test_a_short_day_of_a_reader",
            f"{_WINDOW}/test_day.py::test_a_short_day_in_the_window",
        ),
        full=(
            f"{_HERE}/test_long_runs.py::test_twenty_minutes_of_a_reader",
            f"{_WINDOW}/test_day.py::test_twenty_minutes_in_the_window",
        ),
    ),
    "B-29": Row(
        what="100,000 cases",
        quick=(f"{_STORE}/test_threads.py::test_a_batch_of_650_cases_is_one_commit_and_quick",),
        full=(f"{_HERE}/test_long_runs.py::test_a_hundred_thousand_cases_open_and_page_quickly",),
        note="the index; scrolling is the window's",
    ),
    "B-30": Row(
        what="clocks and locales",
        quick=(
            f"{_HERE}/test_clocks.py::test_order_comes_from_counters_when_the_clock_is_set_back",
            f"{_HERE}/test_clocks.py::test_numbers_and_names_come_back_everywhere",
        ),
    ),
    "B-31": Row(
        what="studies of earlier versions",
        quick=(
            f"{_STORE}/test_upgrade.py::test_an_old_study_opens_whole",
            f"{_STORE}/test_upgrade.py::test_an_upgrade_keeps_a_copy_of_the_old_database",
            f"{_STORE}/test_upgrade.py::test_a_study_of_a_newer_version_is_refused_and_untouched",
        ),
    ),
    "B-32": Row(
        what="a PACS that dies, breaks off or sends half a file: marked, resumed, nothing half-imported",
        quick=(
            "tests/pacs/test_faults.py::TestHalf::test_a_server_killed_in_the_middle_of_an_examination",
            "tests/pacs/test_faults.py::TestHalf::test_a_web_server_that_breaks_off_in_an_image",
            "tests/pacs/test_faults.py::TestHalf::test_a_pacs_whose_association_breaks_in_an_image",
            "tests/pacs/test_faults.py::TestHalf::test_a_server_that_has_half_an_image",
        ),
        note="against Debian's Orthanc; skipped where it is not installed",
    ),
}


@cache
def _tests_of(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return frozenset(names)


def exists(name: str) -> bool:
    """Whether there is a test of this name (``path::function`` or ``path::class::function``)."""
    path, _, test = name.partition("::")
    return (ROOT / path).is_file() and test in _tests_of(ROOT / path)
