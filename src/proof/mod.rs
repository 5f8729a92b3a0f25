//! Floor 1: bytes and cryptography, pure. No clock, no database, no network, no randomness.
//!
//! What is signed and hashed, in the order of its life: a payload in the strict `json` profile, signed as a
//! `statement`, framed as an `entry` that names the hash of the entry before, hashed as a leaf of the `merkle` tree
//! whose hashes are kept in `tiles`, and published in a `checkpoint`, a signed `note`. The same code serves whoever
//! writes and whoever verifies years later.

pub mod add_checkpoint;
pub mod bundle;
pub mod checkpoint;
pub mod commitment;
pub mod cosignature;
pub mod entry;
pub mod entry_bundle;
pub mod json;
pub mod keys;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod sample;
pub mod signed_tree;
pub mod statement;
pub mod tile_path;
pub mod tiles;
pub mod tlog_proof;
pub mod verify;
