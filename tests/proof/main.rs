//! Bytes and cryptography against what others published and what others wrote. Needs no database and no service.
#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on fails"
)]
#![allow(unreachable_pub, reason = "one binary, nobody reaches into it")]

mod chance;
mod fuzz;
mod other_implementations;
mod published_vectors;
mod sparse_tree;
#[path = "../fuzz/targets.rs"]
mod targets;
