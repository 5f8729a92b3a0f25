//! The fields of every type of statement, version 1; a subject a file.

pub mod batch;
pub mod border;
pub mod certificate;
pub mod correction;
pub mod custody;
pub mod device;
pub mod erasure;
pub mod evidence;
pub mod keys;
pub mod lot;
pub mod registry;
