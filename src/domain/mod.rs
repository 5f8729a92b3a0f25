//! Floor 0: words and rules, pure. No clock, no database, no network, no randomness.
//!
//! `event` says what can be stated, `state` what is known, and `apply` what follows from one more statement.
//! Replaying the entries of a ledger through `apply` gives the same state everywhere and for ever.

pub mod adding_up;
pub mod apply;
pub mod awaited;
pub mod balance;
pub mod batch;
pub mod border;
pub mod capacity;
pub mod certificate;
pub mod codes;
pub mod composition;
pub mod correction;
pub mod custody;
pub mod delegation;
pub mod device_life;
pub mod donation;
pub mod due;
pub mod eligibility;
pub mod erasure;
pub mod event;
pub mod evidence;
pub mod fed;
pub mod fields;
pub mod finding;
pub mod hazardous;
pub mod hindrance;
pub mod ids;
pub mod interim;
pub mod item;
pub mod lacks;
pub mod lineage;
pub mod lot;
pub mod mass;
pub mod order;
pub mod outlook;
pub mod packing;
pub mod parts;
pub mod parts_table;
pub mod past;
pub mod payload;
pub mod pool;
pub mod refusal;
pub mod registry;
pub mod reuse;
pub mod rule_set;
pub mod serial;
pub mod signal;
pub mod site_batches;
pub mod state;
pub mod sums;
pub mod time;
pub mod treatment;
pub(crate) mod void_cures;
pub mod whereabouts;
