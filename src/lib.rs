//! Loopledger: an append-only, hash-chained ledger of every refurbished computer's path, and the certificates on it.
//!
//! Recycling centres post what happened, companies buy and retire certificates, auditors verify them years later
//! without trusting whoever runs the service. Five promises: append only; every gram is in one place; every kilogram
//! is sold once; acknowledged is durable; verified without us.
//!
//! The floors, from below; a module imports only from floors below its own, and a test reads the `use` lines:
//!
//! | floor | module | what it knows |
//! | --- | --- | --- |
//! | 0 | [`domain`] | words and rules, pure |
//! | 1 | [`proof`] | bytes and cryptography, pure |
//! | 2 | [`store`] | the only SQL |
//! | 3 | [`ledger`] | use-cases: append, publish, guard, replay |
//! | 4 | [`http`] | the JSON API |
//! | 5 | [`cli`] | commands |
//!
//! [`limits`] holds every maximum. `ledger` tells the life of one posted statement.

pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod ledger;
pub mod limits;
pub mod proof;
pub mod store;
