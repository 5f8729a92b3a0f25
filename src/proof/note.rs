//! C2SP signed-note, Ed25519 signatures (type 0x01), to the byte.
//!
//! A note is text that ends in a line feed, an empty line, and signature lines
//! `— <name> <base64(4-byte key id || signature)>`.

use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use crate::proof::keys;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

const ED25519: u8 = 0x01;

/// Why a note or a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// Not a vkey of type Ed25519.
    #[error("not an Ed25519 vkey of the form name+hex+base64")]
    NotAVkey,
    /// Not of the note's form.
    #[error("not a signed note")]
    NotANote,
    /// No signature line by the key.
    #[error("no signature by this key")]
    NotSigned,
    /// A signature line of the key's name and id that does not verify.
    #[error("the signature of this key does not verify")]
    BadSignature,
}

/// A key's name, id and public key: the trust anchor of whoever verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: VerifyingKey,
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl NoteVerifier {
    /// Names a key.
    pub fn new(name: &str, key: VerifyingKey) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// Reads `name+hex8+base64(0x01 || key)`, whose id must fit.
    pub fn parse(vkey: &str) -> Result<Self, NoteProblem> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteProblem::NotAVkey);
        };
        let bytes = BASE64.decode(key.as_bytes()).map_err(|_| NoteProblem::NotAVkey)?;
        let Some((&ED25519, key)) = bytes.split_first() else { return Err(NoteProblem::NotAVkey) };
        let key: [u8; 32] = key.try_into().map_err(|_| NoteProblem::NotAVkey)?;
        let key = keys::verifying_key(key).map_err(|_| NoteProblem::NotAVkey)?;
        let verifier = Self::new(name, key).ok_or(NoteProblem::NotAVkey)?;
        (HEXLOWER.encode(&key_id(name, &key)) == id).then_some(verifier).ok_or(NoteProblem::NotAVkey)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text form that travels to whoever verifies.
    pub fn vkey(&self) -> String {
        let id = HEXLOWER.encode(&key_id(&self.name, &self.key));
        let key = BASE64.encode(&[&[ED25519], self.key.as_bytes().as_slice()].concat());
        format!("{}+{id}+{key}", self.name)
    }

    /// The text of a note that carries this key's signature.
    ///
    /// Lines of other keys are ignored, as the specification demands; a bad line of this key refuses the note.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteProblem> {
        let (text, lines) = split_note(note)?;
        let mut signed = false;
        for line in lines {
            let (name, id, signature) = line;
            if name != self.name || id != key_id(&self.name, &self.key) {
                continue;
            }
            let signature = Signature::from_slice(&signature).map_err(|_| NoteProblem::BadSignature)?;
            self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteProblem::BadSignature)?;
            signed = true;
        }
        signed.then_some(text).ok_or(NoteProblem::NotSigned)
    }
}

type SignatureLine<'a> = (&'a str, [u8; 4], Vec<u8>);

fn split_note(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), NoteProblem> {
    let plain = note.len() <= NOTE_BYTES_MAX && !note.chars().any(|c| c < ' ' && c != '\n');
    let split = note.rfind("\n\n").filter(|_| plain).ok_or(NoteProblem::NotANote)?;
    let (text, signatures) = (&note[..=split], &note[split + 2..]);
    let lines = signatures.strip_suffix('\n').ok_or(NoteProblem::NotANote)?;
    let lines: Vec<_> = lines.split('\n').map(signature_line).collect::<Result<_, _>>()?;
    if lines.len() > NOTE_SIGNATURES_MAX {
        return Err(NoteProblem::NotANote);
    }
    Ok((text, lines))
}

fn signature_line(line: &str) -> Result<SignatureLine<'_>, NoteProblem> {
    let (name, signature) = line.strip_prefix("— ").and_then(|l| l.split_once(' ')).ok_or(NoteProblem::NotANote)?;
    let bytes = BASE64.decode(signature.as_bytes()).map_err(|_| NoteProblem::NotANote)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteProblem::NotANote)?;
    if !is_name(name) || signature.is_empty() {
        return Err(NoteProblem::NotANote);
    }
    Ok((name, *id, signature.to_vec()))
}

/// Signs text that ends in a line feed.
pub fn sign_note(name: &str, key: &SigningKey, text: &str) -> Option<String> {
    if !is_name(name) || !text.ends_with('\n') {
        return None;
    }
    let id = key_id(name, &key.verifying_key());
    let signature = key.sign(text.as_bytes()).to_bytes();
    Some(format!("{text}\n— {name} {}\n", BASE64.encode(&[id.as_slice(), &signature].concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_opens_under_its_key_alone() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let verifier = NoteVerifier::new("ledger.example/1a2b3c4d", key.verifying_key()).expect("a name");
        assert_eq!(NoteVerifier::parse(&verifier.vkey()), Ok(verifier.clone()));
        let note = sign_note(verifier.name(), &key, "a\n\nb\n").expect("a note");
        assert_eq!(verifier.open(&note), Ok("a\n\nb\n"));
        let other =
            NoteVerifier::new(verifier.name(), SigningKey::from_bytes(&[8; 32]).verifying_key()).expect("a name");
        assert_eq!(other.open(&note), Err(NoteProblem::NotSigned));
        assert_eq!(verifier.open(&note.replace("a\n", "c\n")), Err(NoteProblem::BadSignature));
        for broken in [note.trim_end(), &note.replace('—', "-"), &note.replace("\n\n", "\n"), "", "\n\n"] {
            assert!(verifier.open(broken).is_err(), "{broken:?}");
        }
        let vkey = verifier.vkey();
        for broken in [vkey.replacen('+', "-", 1), vkey.replace("1a2b", "1a2c"), format!("{vkey}="), String::new()] {
            assert_eq!(NoteVerifier::parse(&broken), Err(NoteProblem::NotAVkey));
        }
    }
}
