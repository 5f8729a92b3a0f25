//! C2SP tlog-proof: one inclusion proof with its checkpoint, in one text.

use crate::proof::merkle::TreeHash;
use data_encoding::BASE64;
use std::fmt::Write as _;

/// The proof that the entry of an index is in the tree of the checkpoint that follows it.
pub fn format(index: u64, hashes: &[TreeHash], checkpoint_note: &str) -> String {
    let mut text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
    for hash in hashes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", BASE64.encode(&hash.0));
    }
    text + "\n" + checkpoint_note
}
