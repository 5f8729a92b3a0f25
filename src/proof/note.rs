//! C2SP signed-note, to the byte: text that ends in a line feed, an empty line, and signature lines
//! `— <name> <base64(4-byte key id || signature)>`.
//!
//! Here are the note, the keys' text form (vkey) and plain Ed25519 signatures (type 0x01); a witness's are in
//! `cosignature`.

use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use crate::proof::keys;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Type of a plain Ed25519 signature over the note's text.
const ED25519: u8 = 0x01;

/// Why a note or a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// Not a vkey of type Ed25519.
    #[error("not an Ed25519 vkey of the form name+hex+base64, or of another type")]
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

/// A note taken apart; nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// What is signed, with its final line feed.
    pub text: &'a str,
    /// The signature lines, in order.
    pub signatures: Vec<SignatureLine<'a>>,
}

/// One signature line; only a key of the same name and id can verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine<'a> {
    /// The line as it stands, without its line feed.
    pub line: &'a str,
    /// The key's name.
    pub name: &'a str,
    /// The key's id.
    pub key_id: [u8; 4],
    /// What follows the id; its form is a matter of the key's type.
    pub signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note apart at its last empty line.
    pub fn parse(note: &'a str) -> Result<Self, NoteProblem> {
        let plain = note.len() <= NOTE_BYTES_MAX && !note.chars().any(|c| c < ' ' && c != '\n');
        let split = note.rfind("\n\n").filter(|_| plain).ok_or(NoteProblem::NotANote)?;
        let lines = note[split + 2..].strip_suffix('\n').ok_or(NoteProblem::NotANote)?;
        let signatures: Vec<_> = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteProblem::NotANote);
        }
        Ok(Self { text: &note[..=split], signatures })
    }

    /// The signatures that only this key can have made.
    pub fn by<'s>(&'s self, name: &'s str, key_id: [u8; 4]) -> impl Iterator<Item = &'s [u8]> {
        let of_key = move |line: &&SignatureLine<'_>| line.name == name && line.key_id == key_id;
        self.signatures.iter().filter(of_key).map(|line| line.signature.as_slice())
    }
}

impl<'a> SignatureLine<'a> {
    /// Reads one line, without its line feed.
    pub fn parse(line: &'a str) -> Result<Self, NoteProblem> {
        let (name, rest) = line.strip_prefix("— ").and_then(|l| l.split_once(' ')).ok_or(NoteProblem::NotANote)?;
        let bytes = BASE64.decode(rest.as_bytes()).map_err(|_| NoteProblem::NotANote)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteProblem::NotANote)?;
        if !is_name(name) || signature.is_empty() {
            return Err(NoteProblem::NotANote);
        }
        Ok(Self { line, name, key_id: *key_id, signature: signature.to_vec() })
    }
}

/// Writes a signature line, with its line feed.
pub(super) fn signature_line(name: &str, key_id: [u8; 4], signature: &[u8]) -> String {
    format!("— {name} {}\n", BASE64.encode(&[key_id.as_slice(), signature].concat()))
}

/// Whether a text may name a key.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The id of a key of a type: the first four bytes of SHA-256(name || 0x0A || type || key).
pub(super) fn key_id(kind: u8, name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key.as_bytes()).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Reads `name+hex8+base64(type || key)` of a type, whose id must fit; weak keys are no keys.
pub(super) fn parse_vkey(kind: u8, vkey: &str) -> Result<(String, VerifyingKey), NoteProblem> {
    let mut parts = vkey.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteProblem::NotAVkey);
    };
    let bytes = BASE64.decode(key.as_bytes()).map_err(|_| NoteProblem::NotAVkey)?;
    let key = bytes.split_first().filter(|(found, _)| **found == kind).map(|(_, key)| key);
    let key: [u8; 32] = key.and_then(|key| key.try_into().ok()).ok_or(NoteProblem::NotAVkey)?;
    let key = keys::verifying_key(key).map_err(|_| NoteProblem::NotAVkey)?;
    if !is_name(name) || HEXLOWER.encode(&key_id(kind, name, &key)) != id {
        return Err(NoteProblem::NotAVkey);
    }
    Ok((name.to_owned(), key))
}

/// Writes a key of a type in its text form.
pub(super) fn format_vkey(kind: u8, name: &str, key: &VerifyingKey) -> String {
    let id = HEXLOWER.encode(&key_id(kind, name, key));
    format!("{name}+{id}+{}", BASE64.encode(&[&[kind], key.as_bytes().as_slice()].concat()))
}

impl NoteVerifier {
    /// Names a key.
    pub fn new(name: &str, key: VerifyingKey) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), key })
    }

    /// Reads `name+hex8+base64(0x01 || key)`, whose id must fit.
    pub fn parse(vkey: &str) -> Result<Self, NoteProblem> {
        parse_vkey(ED25519, vkey).map(|(name, key)| Self { name, key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself: two names for it are one key.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The text form that travels to whoever verifies.
    pub fn vkey(&self) -> String {
        format_vkey(ED25519, &self.name, &self.key)
    }

    /// The text of a note that carries this key's signature.
    ///
    /// Lines of other keys are ignored, as the specification demands; a bad line of this key refuses the note.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteProblem> {
        let note = Note::parse(note)?;
        self.require_signed(&note)?;
        Ok(note.text)
    }

    /// The same of a note that is taken apart already.
    pub fn require_signed(&self, note: &Note<'_>) -> Result<(), NoteProblem> {
        let mut signed = false;
        for signature in note.by(&self.name, key_id(ED25519, &self.name, &self.key)) {
            let signature = Signature::from_slice(signature).map_err(|_| NoteProblem::BadSignature)?;
            self.key.verify_strict(note.text.as_bytes(), &signature).map_err(|_| NoteProblem::BadSignature)?;
            signed = true;
        }
        signed.then_some(()).ok_or(NoteProblem::NotSigned)
    }
}

/// Signs text that ends in a line feed.
pub fn sign_note(name: &str, key: &SigningKey, text: &str) -> Option<String> {
    if !is_name(name) || !text.ends_with('\n') {
        return None;
    }
    let id = key_id(ED25519, name, &key.verifying_key());
    Some(format!("{text}\n{}", signature_line(name, id, &key.sign(text.as_bytes()).to_bytes())))
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
