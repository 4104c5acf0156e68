//! What the sources tell about sockets, addresses and owners, on a real kernel: each trial has a network namespace of
//! its own and compares with what `ss` and `ip` say there.
//!
//! Where namespaces cannot be made the trials are ignored, with the reason; they never pass unseen.

#![expect(clippy::disallowed_methods, reason = "these tests run programs and look at the host")]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "measured times, and the helper's answers")]

mod addresses;
mod below;
mod helper;
mod hooks;
mod legacy;
mod listeners;
mod live;
mod many;
mod owners;
#[path = "../terminal/pty.rs"]
#[expect(dead_code, reason = "the tests of the terminal use all of it")]
#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "it is test code, whose panics are told as failures")]
mod pty;
mod routing;
mod rules;
mod screen;
mod sets;
mod space;
mod steady;
mod unix;
mod watched;
mod ways;
mod words;
mod xtables;

use libtest_mimic::{Arguments, Trial};
use space::Outcome;

/// A test and what it needs beside a namespace.
type Test = (&'static str, fn() -> Outcome, Needs);

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Namespace,
    Root,
}

const TESTS: &[Test] = &[
    ("listeners::tcp_sockets_as_ss_tells_them", listeners::tcp, Needs::Namespace),
    ("listeners::udp_sockets_as_ss_tells_them", listeners::udp, Needs::Namespace),
    ("listeners::one_port_and_no_other", listeners::one_port, Needs::Namespace),
    ("listeners::they_come_and_go", listeners::come_and_go, Needs::Namespace),
    ("listeners::another_network_namespace", listeners::other_network, Needs::Namespace),
    ("listeners::another_network_namespace_without_rights", listeners::other_network_as_nobody, Needs::Root),
    ("listeners::a_process_in_our_own_network", listeners::same_network, Needs::Namespace),
    ("addresses::as_ip_tells_them", addresses::as_ip, Needs::Namespace),
    ("addresses::the_default_route_with_the_lowest_metric", addresses::default_route, Needs::Namespace),
    ("addresses::while_they_change", addresses::while_changing, Needs::Namespace),
    ("addresses::an_empty_network", addresses::empty, Needs::Namespace),
    ("below::ports_of_a_bridge", below::bridge, Needs::Namespace),
    ("below::what_an_interface_is_made_upon", below::parents, Needs::Namespace),
    ("below::the_parent_of_a_vlan", below::vlan, Needs::Namespace),
    ("below::a_vrf_is_named", below::vrf, Needs::Namespace),
    ("below::zones_of_connection_tracking_are_named", below::zones, Needs::Namespace),
    ("below::a_filter_of_tc", below::classifier, Needs::Namespace),
    ("below::an_xdp_program", below::xdp, Needs::Root),
    ("below::what_is_sent_on_to_loopback_and_beyond", below::loopback, Needs::Namespace),
    ("hooks::in_the_order_the_kernel_runs_them", hooks::in_order, Needs::Namespace),
    ("watched::what_the_kernel_says_of_an_attempt", watched::words, Needs::Root),
    ("watched::a_full_accept_queue", watched::full_queue, Needs::Root),
    ("watched::rules_that_counted", watched::counters, Needs::Namespace),
    ("watched::nothing_is_left_behind", watched::tidy, Needs::Root),
    ("watched::without_rights", watched::untraced, Needs::Namespace),
    ("live::one_rule_of_ten_thousand", live::one_rule_of_ten_thousand, Needs::Namespace),
    ("live::links_and_routes", live::links_and_routes, Needs::Namespace),
    ("ways::links_as_ip_tells_them", ways::links, Needs::Namespace),
    ("ways::classifiers_of_tc", ways::classifiers, Needs::Namespace),
    ("ways::routes_as_ip_tells_them", ways::routes, Needs::Namespace),
    ("ways::routes_that_lead_nowhere", ways::nowhere, Needs::Namespace),
    ("ways::the_way_of_what_comes_in", ways::input, Needs::Namespace),
    ("xtables::nothing_that_iptables_writes_is_unknown", xtables::nothing_is_unknown, Needs::Namespace),
    ("xtables::rejects_have_their_true_codes", xtables::rejects, Needs::Namespace),
    ("xtables::values_are_those_of_the_words", xtables::values, Needs::Namespace),
    ("legacy::the_same_rules_both_ways", legacy::both_ways, Needs::Namespace),
    ("legacy::looking_where_there_are_none_makes_none", legacy::none, Needs::Namespace),
    ("legacy::tables_of_a_namespace", legacy::filter_and_nat, Needs::Namespace),
    ("legacy::tables_without_rights", legacy::as_nobody, Needs::Root),
    ("legacy::ages_in_lists_of_recent_packets", legacy::recent, Needs::Root),
    ("unix::a_listening_socket_as_ss_tells_it", unix::listening, Needs::Namespace),
    ("unix::names_that_lead_to_the_same_file", unix::other_names, Needs::Namespace),
    ("unix::stale_replaced_and_removed_files", unix::stale, Needs::Namespace),
    ("unix::abstract_names", unix::abstract_names, Needs::Namespace),
    ("unix::connections_are_not_listed", unix::connections, Needs::Namespace),
    ("unix::a_directory_that_must_not_be_searched", unix::hidden, Needs::Root),
    ("unix::overlay_file_systems", unix::overlay, Needs::Root),
    ("owners::a_process_is_found_by_the_socket", owners::process, Needs::Namespace),
    ("owners::many_at_once_as_one_by_one", owners::at_once, Needs::Namespace),
    ("owners::all_processes_that_share_a_socket", owners::shared, Needs::Namespace),
    ("owners::the_unit_by_the_control_group", owners::unit, Needs::Root),
    ("owners::a_control_group_that_is_gone", owners::gone, Needs::Root),
    ("owners::partial_without_rights", owners::as_nobody, Needs::Root),
    ("routing::rules_as_ip_takes_them", routing::rules_as_ip, Needs::Namespace),
    ("routing::routes_that_refuse_as_ip_tells_them", routing::refusing_as_ip, Needs::Namespace),
    ("routing::a_neighbour_that_is_not_there", routing::neighbours, Needs::Namespace),
    ("rules::all_kinds_of_expressions_are_understood", rules::kinds, Needs::Namespace),
    ("rules::a_chain_too_long_to_read_in_time", rules::too_long, Needs::Namespace),
    ("rules::ten_thousand_beside_nft", rules::ten_thousand, Needs::Namespace),
    ("rules::without_rights", rules::as_nobody, Needs::Root),
    ("steady::rules_of_one_moment_while_they_change", steady::one_moment, Needs::Namespace),
    ("steady::rules_that_never_stand_still", steady::never_still, Needs::Namespace),
    ("screen::the_tree_of_rules_and_the_way_of_a_client", screen::rules_and_a_client, Needs::Namespace),
    ("sets::elements_of_all_kinds_of_sets", sets::listing, Needs::Namespace),
    ("sets::one_key_in_all_kinds_of_sets", sets::membership, Needs::Namespace),
    ("sets::a_million_elements", sets::million, Needs::Namespace),
    ("words::rules_as_nft_lists_them", words::as_nft, Needs::Namespace),
    ("words::rules_as_iptables_lists_them", words::as_iptables, Needs::Namespace),
    ("words::what_is_taken_out_is_put_back", words::taken_out_and_put_back, Needs::Namespace),
    ("words::what_is_taken_out_of_legacy_tables_is_put_back", words::legacy_taken_out_and_put_back, Needs::Namespace),
    ("many::eighty_thousand_listeners", many::listeners, Needs::Namespace),
];

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if helper::is_asked(&words) {
        return helper::run(&words);
    }
    // One at a time: a program that one trial starts would, for a moment, hold the sockets of another.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let blocked = space::prepare().err();
    if let Some(why) = &blocked {
        eprintln!("all trials are ignored: {why}");
    }
    let root = space::is_root();
    let trials = TESTS.iter().map(|(name, test, needs)| {
        let unfit = blocked.is_none() && *needs == Needs::Root && !root;
        if unfit {
            eprintln!("{name} is ignored: it needs root");
        }
        Trial::test(*name, move || space::inside(*test)).with_ignored_flag(blocked.is_some() || unfit)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
