//! Requests to a running service, on both databases. Each module is a subject; `harness` is how they speak.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test that cannot go on fails")]
#![allow(clippy::format_collect, clippy::too_many_lines, reason = "a table or some SQL reads well in one piece")]
#![allow(unreachable_pub, reason = "one binary, nobody reaches into it")]

mod as_of;
mod batches;
mod borders;
mod bundles;
mod certificates;
mod client;
mod commands;
mod compositions;
mod contract;
mod correction_holds;
mod corrections;
mod crashes;
mod custody;
mod delegations;
mod demo;
mod determinism;
mod dismantling;
mod donation_report;
mod erasure;
mod findings;
mod forgeries;
mod forging;
mod forty_computers;
mod halts;
mod harness;
mod hosted_keys;
mod idempotency;
mod items;
mod keys;
mod lookup;
mod lots;
mod mass_model;
mod openings;
mod process;
mod projects;
mod proofs;
mod readme;
mod refusals;
mod registry;
mod reuse;
mod story;
mod tampering;
mod tokens;
mod waiting;
mod witness;
mod witnessed;
mod witnesses;
