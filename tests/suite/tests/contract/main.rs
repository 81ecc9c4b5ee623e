//! The Nacos client against everything that calls itself Nacos: the embedded registry, 2.3.2 and 3.1.0. The same tests on each; where the
//! lines differ, the test says how.
//!
//! What is held here was learnt the hard way by others: what a list says during reconnects, what "healthy" means when nothing is, what is
//! missing and yet not gone, which two names mean one namespace and which do not.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod access;
mod admin;
mod comparison;
mod config;
mod front_door;
mod fuzzy;
mod naming;
mod peer;
mod reconnect;
mod subject;

use federation_harness::{Access, Line};
use subject::{Kind, subject};

const EMBEDDED: Kind = Kind::Embedded;
const NACOS_2: Kind = Kind::Nacos(Line::V2);
const NACOS_3: Kind = Kind::Nacos(Line::V3);

/// One test per function and subject, named `<subject>::<area>::<function>`.
macro_rules! on_every_subject {
    ($($area:ident: $access:ident { $($test:ident,)* })*) => {
        on_every_subject!(@ embedded EMBEDDED; $($area $access { $($test)* })*);
        on_every_subject!(@ nacos_2 NACOS_2; $($area $access { $($test)* })*);
        on_every_subject!(@ nacos_3 NACOS_3; $($area $access { $($test)* })*);
    };
    (@ $subject:ident $kind:ident; $($area:ident $access:ident { $($test:ident)* })*) => {
        mod $subject {
            $(mod $area {
                use crate::{$kind, Access, subject};
                $(#[tokio::test]
                async fn $test() {
                    crate::$area::$test(&mut *subject($kind, Access::$access).await).await;
                })*
            })*
        }
    };
}

on_every_subject! {
    access: Password {
        a_wrong_password_is_told_and_nothing_is_read,
        a_right_password_reads_and_writes,
        passwords_of_users_are_judged,
    }
    admin: Password {
        all_groups_of_a_namespace_are_listed_by_page,
        a_listing_that_is_not_whole_is_an_error,
        a_new_namespace_is_listed,
        the_version_and_the_readiness_are_told,
    }
    comparison: Password {
        every_call_is_answered_as_it_was_recorded,
    }
    config: Password {
        a_publish_is_heard_and_read_back_byte_for_byte,
        a_removal_is_heard_and_read_as_none,
        a_stale_writer_is_refused_by_md5,
        an_item_of_a_mebibyte_is_read_whole,
        everything_kept_beside_the_content_is_shown_to_the_admin,
        the_two_names_of_the_default_namespace_are_one_item_on_3_and_two_on_2,
    }
    front_door: Password {
        items_are_read_written_and_refused_in_the_registrys_words,
        listeners_are_told_by_the_name_that_they_used,
        variants_are_given_to_whom_the_registry_would_give_them,
        patterns_are_watched_where_the_registry_can,
        while_the_registry_is_away_copies_are_read_and_later_changes_told,
    }
    fuzzy: Password {
        services_that_exist_appear_and_disappear_are_told_where_the_server_can,
        a_namespace_over_the_limit_is_told_or_shown_whole,
    }
    naming: Password {
        a_registration_reaches_a_subscriber_with_every_field,
        a_change_reaches_a_subscriber_as_a_change,
        a_disabled_instance_leaves_the_pushes_but_not_the_admin_read,
        a_deregistered_instance_leaves_the_pushes_and_the_admin_read,
        a_batch_replaces_the_whole_set,
        a_publisher_that_dies_takes_its_instances_along,
        a_protected_service_is_shown_healthy_and_says_so,
        an_address_in_two_nacos_clusters_is_two_instances,
        empty_and_public_are_two_namespaces_over_grpc,
        one_namespace_does_not_show_another_s_service_of_the_same_name,
        metadata_over_the_limit_is_refused,
        names_with_every_legal_character_come_back,
        the_services_of_one_group_are_listed,
    }
    reconnect: Password {
        after_a_restart_lists_are_true_but_empty_and_partial_until_clients_are_back,
        a_write_to_a_frozen_server_times_out_and_may_happen_later,
        configs_changed_while_away_are_told_after_the_reconnect,
    }
    without_login: Open {
        a_login_that_fails_where_none_is_needed_does_not_matter,
        no_password_is_right_where_nacos_asks_for_none,
    }
}

/// Apart and last by its name: it takes a server that asks for no password.
mod without_login {
    pub(crate) use crate::access::{
        a_login_that_fails_where_none_is_needed_does_not_matter, no_password_is_right_where_nacos_asks_for_none,
    };
}
