//! Requests to a running service, on both databases. Each module is a subject; `harness` is how they speak.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]
#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "a table or some SQL reads well in one piece"
)]
#![allow(unreachable_pub, reason = "one binary, nobody reaches into it")]

mod accounts;
mod adding_up;
mod agreeing;
mod as_of;
mod audits;
mod batches;
mod behind_certificates;
mod borders;
mod bundles;
mod capacities;
mod capacity_corrections;
mod certificate_lives;
mod certificate_model;
mod certificates;
mod chains_of_backing;
mod client;
mod commands;
mod complete_batches;
mod compositions;
mod contract;
mod correction_holds;
mod corrections;
mod crashes;
mod custody;
mod delegations;
mod demo;
mod determinism;
mod disasters;
mod dismantling;
mod donation_report;
mod doubts;
mod each_rule;
mod eligibility;
mod erasure;
mod expected_parts;
mod findings;
mod forged_lives;
mod forgeries;
mod forging;
mod forty_computers;
mod frauds;
mod guards;
mod halts;
mod harness;
mod honest_histories;
mod hosted_keys;
mod idempotency;
mod items;
mod judging;
mod keys;
mod long_ways;
mod lookup;
mod lots;
mod malicious;
mod mass_model;
mod metrics;
mod mirror;
mod modelling;
mod openings;
mod orders;
mod orders_costs;
mod orders_in_steps;
mod orders_race;
mod orders_served;
mod orders_waiting;
mod other_tools;
mod parts_judged;
mod parts_shown;
mod pool_order;
mod process;
mod projects;
mod proofs;
mod readme;
mod refunds;
mod refusals;
mod register;
mod registry;
mod registry_of_certificates;
mod replacements;
mod reuse;
mod s3;
mod sampling;
mod self_audit;
mod settling;
mod signals;
mod statements;
mod story;
mod tampering;
mod tiles;
mod tokens;
mod verifying;
mod void_cures;
mod waiting;
mod withheld;
mod witness;
mod witnessed;
mod witnesses;
