//! The fields of every type of statement, version 1; a subject a file.

pub mod batch;
pub mod certificate;
pub mod custody;
pub mod device;
pub mod keys;
pub mod lot;
pub mod registry;
