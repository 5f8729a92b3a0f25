//! What is said of the ledger itself and of keys.

use crate::domain::codes::{Hash, KeyCustody, KeyUse, RevocationReason, TableCode};
use crate::domain::fields::{codes, record, text_field};
use crate::domain::ids::{EntryIndex, KeyId, OrganisationId, Origin};
use sha2::{Digest, Sha256};

fn is_compact_jws(text: &str) -> bool {
    let part_ok =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    text.split('.').count() == 3 && text.split('.').all(part_ok)
}

text_field!(
    /// A proof that the secret of a key is held: a compact JWS by that key.
    KeyProof, PublicKey, "a compact JWS", is_compact_jws
);

fn is_vkey(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    (1..=400).contains(&text.len()) && text.bytes().all(fits) && text.split('+').count() >= 3
}

text_field!(
    /// A checkpoint key in the vkey form of C2SP signed-note: name, key id and key joined by `+`.
    Vkey, PublicKey, "a C2SP vkey: name+hex+base64", is_vkey
);

impl Vkey {
    /// The 32 bytes of the public key.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        let encoded = self.as_str().splitn(3, '+').nth(2)?;
        let bytes = data_encoding::BASE64.decode(encoded.as_bytes()).ok()?;
        bytes.get(1..)?.try_into().ok()
    }
}

fn is_key_coordinate(text: &str) -> bool {
    KeyId::parse(text).is_some()
}

text_field!(
    /// The 32 bytes of an Ed25519 public key in base64url without padding.
    KeyCoordinate, PublicKey, "43 characters of base64url: an Ed25519 public key", is_key_coordinate
);

codes! {
    /// The key type of RFC 8037.
    pub enum KeyType {
        /// Octet key pair.
        Okp = "OKP",
    }
}

codes! {
    /// The curve of RFC 8037.
    pub enum Curve {
        /// Edwards curve 25519.
        Ed25519 = "Ed25519",
    }
}

record! {
    /// A public key as a JWK (RFC 7517, RFC 8037).
    pub struct Jwk {
        /// Always `OKP`.
        kty: KeyType,
        /// Always `Ed25519`.
        crv: Curve,
        /// The public key.
        x: KeyCoordinate,
    }
}

impl Jwk {
    /// The RFC 7638 thumbprint: SHA-256 of the JWK's required members in alphabetical order.
    pub fn thumbprint(&self) -> KeyId {
        let canonical = format!(r#"{{"crv":"{}","kty":"{}","x":"{}"}}"#, self.crv, self.kty, self.x);
        KeyId(Sha256::digest(canonical).into())
    }
}

record! {
    /// Which code tables, bands and scheme are in force: a version and the SHA-256 of its file.
    pub struct RuleSetName {
        /// The version.
        version: TableCode,
        /// SHA-256 of the rule set's bytes.
        sha256: Hash,
    }
}

record! {
    /// Index 0, and only there: the ledger's name, keys and first rule set. Self-signed by the first operator key.
    pub struct LedgerOpened {
        /// Two keys of the operator: the one in use, and one kept offline for recovery.
        operator_keys: Vec<Jwk>,
        /// Proof of possession by the second key.
        recovery_proof: KeyProof,
        /// The key that signs checkpoints; its name is the origin.
        checkpoint_vkey: Vkey,
        /// Whether this is a test ledger, whose certificates say so for ever.
        test: bool,
        /// The first rule set.
        rule_set: RuleSetName,
    }
}

record! {
    /// A key comes into force with the next entry. By the operator, or by the organisation for a further key.
    pub struct KeyRegistered {
        /// Whose key it is, for ever.
        organisation: OrganisationId,
        /// The public key.
        jwk: Jwk,
        /// Who holds the secret; never changes.
        custody: KeyCustody,
        /// What it may sign.
        r#use: KeyUse,
        /// Proof that the secret is held.
        proof: KeyProof,
    }
}

record! {
    /// Another key signs checkpoints from now on; until it does, the one before may. By the operator.
    pub struct CheckpointKeyChanged {
        /// The new key; its name is the origin.
        vkey: Vkey,
    }
}

record! {
    /// The ledger takes nothing more. By the operator.
    pub struct LedgerClosed {
        /// The ledger that goes on.
        successor: Option<Origin>,
    }
}

record! {
    /// A key goes out of force with the next entry. By the operator or the key's own organisation.
    pub struct KeyRevoked {
        /// The key.
        kid: KeyId,
        /// Why.
        reason: RevocationReason,
        /// `compromised`: entries from here on are held from eligibility, never voided.
        since_index: Option<EntryIndex>,
    }
}

record! {
    /// Other code tables, bands or scheme come into force with the next entry. By the operator.
    pub struct RulesAdopted {
        /// A rule set that this software carries.
        rule_set: RuleSetName,
    }
}
