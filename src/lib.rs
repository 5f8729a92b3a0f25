//! Loopledger: an append-only, hash-chained ledger of every refurbished computer's path, and the certificates on it.

pub mod domain;
pub mod ledger;
pub mod limits;
pub mod proof;
pub mod store;
