//! C2SP tlog-cosignature, Ed25519 (type 0x04), to the byte: a witness says when it saw that a checkpoint extends every
//! earlier one of its ledger.

use crate::proof::note::{Note, NoteProblem, format_vkey, is_name, key_id, parse_vkey, signature_line};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Type of a timestamped Ed25519 cosignature.
const COSIGNATURE: u8 = 0x04;

/// A witness's name and public key. What is signed does not name the witness, so its key alone tells it from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigner {
    name: String,
    key: VerifyingKey,
}

impl Cosigner {
    /// Names a key.
    pub fn new(name: &str, key: VerifyingKey) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// Reads `name+hex8+base64(0x04 || key)`, whose id must fit.
    pub fn parse(vkey: &str) -> Result<Self, NoteProblem> {
        parse_vkey(COSIGNATURE, vkey).map(|(name, key)| Self { name, key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself: two names for it are one witness.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The text form that travels to whoever verifies.
    pub fn vkey(&self) -> String {
        format_vkey(COSIGNATURE, &self.name, &self.key)
    }

    /// When this witness cosigned the note, in seconds since 1970; the latest if it did so more than once.
    ///
    /// Lines of others are ignored; a bad line of this key refuses the note.
    pub fn time_of(&self, note: &Note<'_>) -> Result<u64, NoteProblem> {
        let mut latest = None;
        for signature in note.by(&self.name, key_id(COSIGNATURE, &self.name, &self.key)) {
            latest = latest.max(Some(self.verify(note.text, signature)?));
        }
        latest.ok_or(NoteProblem::NotSigned)
    }

    /// The time of one cosignature: 8 bytes big-endian, not 0, before the signature.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<u64, NoteProblem> {
        let (time, signature) = signature.split_first_chunk::<8>().ok_or(NoteProblem::BadSignature)?;
        let time = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).map_err(|_| NoteProblem::BadSignature)?;
        if time == 0 || i64::try_from(time).is_err() {
            return Err(NoteProblem::BadSignature);
        }
        self.key.verify_strict(&message(time, text), &signature).map_err(|_| NoteProblem::BadSignature)?;
        Ok(time)
    }
}

/// What a witness signs: a header, the time, and the whole text of the checkpoint.
fn message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The signature line, with its line feed, of a witness that vouches for a checkpoint's text at a time in seconds since
/// 1970. Whoever calls this has checked that the checkpoint extends all that it cosigned before, and has put that on disk.
pub fn cosign(name: &str, key: &SigningKey, time: u64, text: &str) -> Option<String> {
    if !is_name(name) || !text.ends_with('\n') || time == 0 || i64::try_from(time).is_err() {
        return None;
    }
    let signature = [time.to_be_bytes().as_slice(), &key.sign(&message(time, text)).to_bytes()].concat();
    Some(signature_line(name, key_id(COSIGNATURE, name, &key.verifying_key()), &signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::note::{NoteVerifier, sign_note};

    /// The example of the specification; its keys are not published, so only its form and ids are checked.
    #[test]
    fn a_witness_signs_time_and_text() {
        let (log, witness) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let cosigner = Cosigner::new("witness.example/w1", witness.verifying_key()).expect("a name");
        assert_eq!(Cosigner::parse(&cosigner.vkey()), Ok(cosigner.clone()));
        assert!(NoteVerifier::parse(&cosigner.vkey()).is_err(), "a witness's key signs no notes");
        let note = sign_note("ledger.example", &log, "ledger.example\n1\nroot\n").expect("a note");
        let text = Note::parse(&note).expect("a note").text.to_owned();
        assert_eq!(cosigner.time_of(&Note::parse(&note).expect("a note")), Err(NoteProblem::NotSigned));
        let line = |time| cosign(cosigner.name(), &witness, time, &text).expect("a line");
        let twice = format!("{note}{}{}", line(1_700_000_000), line(1_600_000_000));
        assert_eq!(cosigner.time_of(&Note::parse(&twice).expect("a note")), Ok(1_700_000_000));
        let other = cosign(cosigner.name(), &witness, 5, "ledger.example\n2\nroot\n").expect("a line");
        let bad = format!("{twice}{other}");
        assert_eq!(cosigner.time_of(&Note::parse(&bad).expect("a note")), Err(NoteProblem::BadSignature));
        assert_eq!(cosign(cosigner.name(), &witness, 0, &text), None);
        assert_eq!(cosign(cosigner.name(), &witness, u64::MAX, &text), None);
    }
}
