//! One contract, run on every store: the local directory, S3 in process (s3s-fs, which checks
//! signatures) and a real MinIO. What one of them cannot do is in the table of
//! `contract::backend`, with the reason, and is asserted there instead of being skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that fails may panic, and its modules are no API"
)]

mod support;

#[path = "support/s3.rs"]
mod s3;

mod contract {
    pub mod backend;
    pub mod conditions;
    pub mod internal;
    pub mod keys;
    pub mod listing;
    pub mod multipart;
    pub mod objects;
    pub mod parts;
    pub mod ranges;
    pub mod versions;
}

/// Each of these functions as a test on each of the backends.
macro_rules! on_every_store {
    ($($module:ident: $($name:ident)+;)+) => {
        on_every_store!(@on local $($module $($name)+;)+);
        on_every_store!(@on s3_in_process $($module $($name)+;)+);
        on_every_store!(@on minio $($module $($name)+;)+);
    };
    (@on $store:ident $($module:ident $($name:ident)+;)+) => {
        mod $store {
            $(mod $module {
                $(#[tokio::test]
                async fn $name() {
                    let bench = crate::contract::backend::$store().await;
                    crate::contract::$module::$name(&bench).await;
                })+
            })+
        }
    };
}

on_every_store! {
    backend:
        what_the_store_cannot_do_is_said
        the_store_answers_a_check
        a_network_that_fails_in_passing_is_not_noticed;
    objects:
        what_is_put_reads_back_with_its_attributes
        an_object_put_without_attributes_has_none
        an_empty_object_is_an_object
        payloads_of_every_shape_are_stored_byte_for_byte
        a_put_replaces_the_bytes_and_the_attributes
        a_streamed_payload_that_fails_stores_nothing
        a_streamed_payload_that_is_short_stores_nothing
        a_failed_put_leaves_the_old_object
        what_was_never_put_is_not_found
        a_delete_succeeds_twice_and_for_what_was_never_there;
    conditions:
        a_put_if_absent_succeeds_only_the_first_time
        a_put_if_match_succeeds_only_on_that_etag
        a_put_if_match_fails_where_nothing_is
        of_two_puts_if_absent_at_once_one_succeeds
        a_completion_if_absent_succeeds_only_the_first_time
        a_completion_if_match_succeeds_only_on_that_etag
        an_upload_whose_completion_was_refused_can_still_be_completed
        a_read_fails_once_the_object_has_changed;
    ranges:
        a_range_gives_its_bytes_and_the_size_of_the_whole
        a_range_that_covers_nothing_tells_the_size
        a_range_of_an_empty_object_covers_nothing
        a_range_of_a_large_object_is_exact;
    keys:
        hostile_keys_survive_byte_for_byte
        keys_that_differ_little_are_different_objects
        the_longest_keys_are_held
        a_key_may_lie_beside_deeper_ones;
    listing:
        keys_come_in_the_order_of_their_utf8_bytes
        pages_together_are_the_whole_listing
        a_full_page_at_the_very_end_has_no_cursor
        a_listing_describes_objects_without_reading_them
        a_deleted_object_is_not_listed
        a_cursor_from_elsewhere_is_refused
        keys_of_others_are_not_seen;
    versions:
        an_overwritten_object_is_still_there_by_its_version
        a_deleted_object_is_still_there_by_its_version
        a_version_can_be_deleted_alone
        unknown_versions_are_not_found;
    multipart:
        parts_sent_at_once_and_out_of_order_make_one_object
        one_part_makes_an_object
        one_empty_part_makes_an_empty_object
        a_part_sent_again_replaces_the_first
        a_streamed_part_that_failed_can_be_sent_again
        nothing_is_visible_before_completion
        a_completion_replaces_the_object
        an_aborted_upload_is_gone
        an_upload_can_be_aborted_twice
        an_unknown_upload_is_not_found;
    parts:
        parts_are_listed_in_order_as_they_were_confirmed
        parts_are_listed_past_the_first_page
        parts_of_an_upload_that_has_ended_are_not_found;
    internal:
        temporary_objects_are_listed_in_order_and_to_nobody_else
        temporary_objects_are_listed_past_the_first_page;
}
