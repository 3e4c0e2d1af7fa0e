//! The suite.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use lockstep_testkit::Postgres;

use crate::engine::{Engine, Place};
use crate::{
    alerts, chain, commands, dump, events, evidence, foreign, groups, hosts, killed, leases, locks,
    monitoring, opening, overviews, pages, past, repository, rollouts, runs, small, standings,
    tokens, troubles, users, views, wishes,
};

type Case = fn(Place) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Names its cases by their paths.
macro_rules! cases {
    ($($case:path),* $(,)?) => {
        [$((stringify!($case), (|place| Box::pin($case(place))) as Case)),*]
    };
}

/// Cases that run at the same time.
const AT_ONCE: usize = 4;

async fn run(engine: Engine) {
    let cases = cases![
        alerts::a_large_storm_is_one_decision,
        alerts::book_and_messages_are_written_together,
        alerts::messages_are_tried_until_they_are_through,
        alerts::two_servers_never_send_one_message,
        alerts::a_recovery_does_not_overtake_its_problem,
        chain::a_restored_chain_goes_on,
        chain::pages_are_bounded,
        chain::the_oldest_entries_are_forgotten,
        chain::two_servers_write_one_chain,
        chain::what_is_stored_is_in_the_chain,
        chain::whoever_changes_a_row_is_found_out,
        commands::a_stopped_run_is_commanded_until_it_goes_on,
        commands::commands_end_with_their_host,
        commands::no_command_is_left_behind,
        commands::words_of_commands_are_bounded,
        dump::a_dump_fills_an_empty_store,
        dump::a_dump_that_is_not_whole_leaves_the_store_empty,
        dump::what_was_open_ends_with_a_restore,
        events::a_gap_stops_the_answer_and_is_filled_later,
        events::what_an_agent_no_longer_has_is_not_waited_for,
        events::batches_that_make_no_sense_are_refused,
        events::documents_are_read_of_what_fits_alone,
        events::events_are_found_by_what_they_are,
        events::many_who_send_the_same_store_it_once,
        evidence::a_refused_save_leaves_no_evidence,
        evidence::baselines_are_kept_in_order,
        evidence::baselines_go_when_their_rollout_is_long_over,
        evidence::damaged_evidence_is_named,
        evidence::large_evidence_is_refused_or_cut,
        evidence::suspects_stay_until_somebody_says_otherwise,
        evidence::the_mark_goes_with_the_order_that_does_not_mind_it,
        foreign::what_is_kept_for_a_host_goes_with_it,
        groups::a_failing_entry_does_not_harm_its_neighbours,
        groups::a_full_line_says_busy_and_recovers,
        groups::closing_stores_what_waits,
        groups::two_thousand_reports_of_two_hundred_hosts,
        groups::two_servers_do_not_lock_each_other_out,
        hosts::a_host_is_enrolled_found_and_listed,
        hosts::a_removed_host_is_nobody_and_its_certificates_never_come_back,
        hosts::another_machine_needs_leave_to_take_a_name,
        hosts::certificates_count_only_for_the_key_of_the_host,
        hosts::damaged_rows_are_named,
        hosts::many_hosts_come_in_pages,
        hosts::reports_are_kept_by_the_time_they_came,
        hosts::the_newest_note_of_processes_is_kept_for_each_host,
        killed::acknowledged_grants_outlive_the_process,
        killed::acknowledged_events_outlive_the_process,
        killed::what_was_acknowledged_outlives_the_process,
        leases::a_lease_has_one_holder_whoever_asks_when,
        leases::a_lease_is_prolonged_and_changes_hands,
        leases::of_many_who_ask_at_once_one_gets_it,
        leases::stale_leases_write_nothing,
        locks::a_bad_change_does_not_harm_its_neighbours,
        locks::a_lock_outlives_the_store,
        locks::calls_are_served_in_their_order,
        locks::states_that_make_no_sense_are_refused,
        locks::there_are_not_too_many_locks,
        locks::two_servers_share_one_lock,
        locks::what_does_not_change_is_not_written,
        monitoring::a_day_of_snapshots_is_kept,
        monitoring::acks_are_given_and_taken_back,
        monitoring::fifty_fleet_files_are_kept,
        monitoring::monitoring_forgets_what_is_old,
        monitoring::runs_and_restarts_are_changes,
        monitoring::silences_end_and_leases_go_on,
        opening::a_newer_database_is_refused,
        opening::a_database_of_the_first_step_goes_on,
        opening::a_store_can_be_opened_again_and_again,
        opening::many_may_open_an_empty_database_at_once,
        repository::a_published_version_is_never_replaced,
        repository::of_many_publications_one_wins,
        repository::publications_are_whole_or_nothing,
        repository::releases_are_listed_in_order,
        rollouts::an_urgent_order_is_kept_as_one,
        rollouts::decisions_are_kept_in_order,
        rollouts::from_is_the_last_version_that_was_done,
        rollouts::orders_at_once_get_different_numbers,
        rollouts::promotion_cancels_what_was_running,
        rollouts::rollouts_change_only_from_what_was_seen,
        rollouts::rollouts_that_were_cut_short_still_stand,
        pages::deeds_and_messages_come_once,
        pages::events_come_once,
        pages::names_of_hosts_come_once,
        pages::rollouts_come_once,
        pages::runs_come_once,
        past::each_hosts_newest_snapshot_of_a_time_is_found,
        past::the_events_nearest_to_a_moment_are_found,
        overviews::events_are_counted_by_when_they_came,
        overviews::runs_are_listed_by_how_they_stand,
        runs::a_run_belongs_to_one_host,
        runs::newer_records_win,
        runs::runs_are_listed_newest_first,
        runs::proofs_are_read_in_the_order_in_which_they_came,
        small::closing_is_final,
        small::settings_are_set_and_made_once,
        small::the_audit_trail_is_kept,
        small::what_is_old_is_forgotten,
        standings::a_host_is_what_it_said_last,
        standings::large_fleets_come_whole,
        standings::only_failures_are_held_against_a_release,
        standings::only_what_can_move_is_looked_at,
        standings::the_fleet_is_seen_in_brief,
        standings::what_a_host_keeps_by_its_own_word_is_seen,
        tokens::each_refusal_has_its_reason,
        tokens::redemption_races_have_as_many_winners_as_uses,
        tokens::tokens_are_listed_and_revoked,
        tokens::tokens_do_not_bring_back_who_was_removed_or_replaced,
        troubles::events_change_one_item,
        troubles::reports_and_events_may_overtake_each_other,
        troubles::reports_say_what_is_not_well,
        troubles::the_server_has_troubles_of_its_own,
        troubles::what_is_newer_by_the_hosts_clock_counts,
        troubles::whatever_the_order_the_last_report_is_right,
        users::api_tokens_are_known_until_revoked,
        users::attempts_count_until_one_was_good,
        users::kiosk_tokens_are_known_until_revoked_and_forgotten,
        users::kiosk_tokens_that_are_over_hide_none,
        users::sessions_end_with_the_password_they_were_opened_by,
        users::there_is_always_an_admin,
        users::users_are_made_found_and_removed,
        users::users_sessions_and_tokens_are_forgotten,
        wishes::a_wish_is_told_until_its_end_and_numbers_grow,
        views::a_user_keeps_so_many_views_and_no_more,
        views::views_are_ones_own_or_shared,
    ];
    let outcomes = cases.map(|(name, case)| {
        let engine = engine.clone();
        async move {
            let making = tokio::task::spawn_blocking(move || engine.fresh());
            let place = making.await.unwrap();
            (name, tokio::spawn(case(place)).await)
        }
    });
    let failed: Vec<_> = futures_util::stream::iter(outcomes)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |(name, outcome)| outcome.err().map(|_| name))
        .collect()
        .await;
    assert!(
        failed.is_empty(),
        "failed on {engine:?}, see the panics above: {failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_on_sqlite() {
    run(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite_on_postgres() {
    run(Engine::Postgres(Arc::new(Postgres::start().unwrap()))).await;
}
