//! Statements: a compact JWS over a payload in the strict profile.

use crate::domain::codes::KeyUse;
use crate::domain::event::{Event, Jwk, KeyProof, LedgerOpened, Statement};
use crate::domain::fields::{Field, Value, codes, record};
use crate::domain::ids::{KeyId, OrganisationId, Origin, StatementId};
use crate::limits::{HEADER_BYTES_MAX, STATEMENT_BYTES_MAX};
use crate::proof::json;
use crate::proof::keys::{self, CompactJws, KeyProblem};
use crate::proof::note::NoteVerifier;
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

codes! {
    /// Stable codes of refusals of bytes and signatures; they come before every rule.
    pub enum BytesCode {
        /// Longer than a statement may be.
        StatementTooLarge = "statement_too_large",
        /// Not a compact JWS.
        JwsMalformed = "jws_malformed",
        /// `alg` is neither `Ed25519` nor `EdDSA`.
        AlgorithmNotAllowed = "algorithm_not_allowed",
        /// The protected header is not exactly `alg`, `kid`, `typ`.
        HeaderMalformed = "header_malformed",
        /// The payload leaves the strict profile.
        PayloadNotStrict = "payload_not_strict",
        /// A field of the payload is unknown, missing or ill-formed.
        FieldInvalid = "field_invalid",
        /// The public key in the payload is no point, or not its canonical form.
        KeyInvalid = "key_invalid",
        /// The public key in the payload has small order.
        KeyWeak = "key_weak",
        /// The proof of possession does not prove it.
        KeyProofInvalid = "key_proof_invalid",
        /// The signature does not fit the statement and the key.
        SignatureInvalid = "signature_invalid",
    }
}

/// Why bytes are no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {pointer:?}: {detail}")]
pub struct BytesRefused {
    /// The stable code.
    pub code: BytesCode,
    /// JSON Pointer into the payload, where it is about a field.
    pub pointer: String,
    /// What was wrong and what to do, in words.
    pub detail: String,
}

fn refuse<T>(code: BytesCode, pointer: &str, detail: impl Into<String>) -> Result<T, BytesRefused> {
    Err(BytesRefused { code, pointer: pointer.to_owned(), detail: detail.into() })
}

codes! {
    /// Two names of one algorithm.
    pub enum Algorithm {
        /// RFC 9864.
        Ed25519 = "Ed25519",
        /// RFC 8037.
        EdDsa = "EdDSA",
    }
}

codes! {
    /// What a JWS of ours is for.
    pub enum Typ {
        /// A statement.
        Statement = "loopledger-statement+json",
        /// A proof of possession.
        KeyProof = "loopledger-key-proof+json",
    }
}

record! {
    /// The protected header: these three members and no other.
    pub struct Header {
        /// The algorithm.
        alg: Algorithm,
        /// The signing key's thumbprint.
        kid: KeyId,
        /// What is signed.
        typ: Typ,
    }
}

fn read_header(bytes: &[u8], typ: Typ) -> Result<Header, BytesRefused> {
    if bytes.len() > HEADER_BYTES_MAX {
        return refuse(BytesCode::HeaderMalformed, "", "the protected header is longer than 512 bytes");
    }
    let value = match json::parse(bytes) {
        Ok(value) => value,
        Err(deviation) => {
            return refuse(BytesCode::HeaderMalformed, "", format!("protected header, {deviation}"));
        }
    };
    match Header::read(&value) {
        Ok(header) if header.typ == typ => Ok(header),
        Ok(_) => refuse(BytesCode::HeaderMalformed, "", format!("typ must be {typ}")),
        Err(problem) if problem.pointer == "/alg" => {
            refuse(BytesCode::AlgorithmNotAllowed, "", "alg must be Ed25519 (RFC 9864) or EdDSA")
        }
        Err(problem) => {
            let detail = format!("protected header at {}: {}", problem.pointer, problem.problem);
            refuse(BytesCode::HeaderMalformed, "", detail)
        }
    }
}

/// A statement that was taken apart and read, whose signature is still to be checked.
pub struct Unverified<'a> {
    jws: CompactJws<'a>,
    text: &'a str,
    header: Header,
    /// The payload's tree, against which openings are checked.
    pub payload: Value,
    /// What it says.
    pub statement: Statement,
}

/// A statement whose signature was checked. Whether its key is in force is for the sequencer to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The compact JWS.
    pub jws: String,
    /// The key that signed it.
    pub signer: KeyId,
    /// What it says.
    pub statement: Statement,
    /// SHA-256 of the payload's bytes: what "the same again" means.
    pub payload_sha256: [u8; 32],
}

impl Signed {
    /// The key of idempotency.
    pub fn identity(&self) -> (OrganisationId, StatementId) {
        (self.statement.common.org, self.statement.common.id)
    }
}

impl<'a> Unverified<'a> {
    /// Takes a compact JWS apart and reads header and payload; keys inside are checked with their proofs.
    pub fn read(text: &'a str) -> Result<Self, BytesRefused> {
        if text.len() > STATEMENT_BYTES_MAX {
            let detail = format!("a statement has at most {STATEMENT_BYTES_MAX} bytes");
            return refuse(BytesCode::StatementTooLarge, "", detail);
        }
        let jws = CompactJws::parse(text).or_else(|problem| refuse(BytesCode::JwsMalformed, "", problem))?;
        let header = read_header(&jws.header, Typ::Statement)?;
        let (payload, statement) = read_payload(&jws.payload)?;
        check_introduced_keys(&statement)?;
        Ok(Self { jws, text, header, payload, statement })
    }

    /// The key that is said to have signed.
    pub const fn kid(&self) -> KeyId {
        self.header.kid
    }

    /// Checks the signature.
    pub fn verify(self, key: &VerifyingKey) -> Result<Signed, BytesRefused> {
        if keys::thumbprint(key) != Some(self.header.kid) || !self.jws.is_signed_by(key) {
            let detail = "the signature does not fit; sign base64url(header).base64url(payload) as sent";
            return refuse(BytesCode::SignatureInvalid, "", detail);
        }
        Ok(Signed {
            jws: self.text.to_owned(),
            signer: self.header.kid,
            payload_sha256: Sha256::digest(&self.jws.payload).into(),
            statement: self.statement,
        })
    }

    /// The first operator key, if this opens a ledger: the one statement whose key it brings itself.
    pub fn opening_key(&self) -> Option<VerifyingKey> {
        match &self.statement.event {
            Event::LedgerOpened(event) => keys::from_coordinate(&event.operator_keys.first()?.x).ok(),
            _ => None,
        }
    }
}

/// Reads a payload: first the strict profile, then the fields of its type.
pub fn read_payload(bytes: &[u8]) -> Result<(Value, Statement), BytesRefused> {
    let value = match json::parse(bytes) {
        Ok(value) => value,
        Err(deviation) => return refuse(BytesCode::PayloadNotStrict, "", format!("payload, {deviation}")),
    };
    match Statement::read(&value) {
        Ok(statement) => Ok((value, statement)),
        Err(problem) => refuse(BytesCode::FieldInvalid, &problem.pointer, problem.problem),
    }
}

/// Signs a payload's bytes as they are.
pub fn sign(key: &SigningKey, payload: &[u8]) -> Option<String> {
    keys::sign_compact(key, Typ::Statement.as_str(), payload)
}

record! {
    /// What a proof of possession says.
    pub struct Possession {
        /// The ledger.
        ledger: Origin,
        /// Whose key it will be.
        org: OrganisationId,
        /// The key.
        kid: KeyId,
        /// What it may sign.
        r#use: KeyUse,
    }
}

/// Proves that the secret of a key is held, for one ledger, organisation and use.
pub fn prove_possession(key: &SigningKey, ledger: &Origin, org: OrganisationId, r#use: KeyUse) -> Option<KeyProof> {
    let kid = keys::thumbprint(&key.verifying_key())?;
    let payload = Possession { ledger: ledger.clone(), org, kid, r#use }.write()?.to_string();
    KeyProof::parse(&keys::sign_compact(key, Typ::KeyProof.as_str(), payload.as_bytes())?)
}

fn check_introduced_keys(statement: &Statement) -> Result<(), BytesRefused> {
    let ledger = statement.common.ledger.clone();
    match &statement.event {
        Event::KeyRegistered(event) => {
            let kid = event.jwk.thumbprint();
            let claim = Possession { ledger, org: event.organisation, kid, r#use: event.r#use };
            check_key(&event.jwk, "/jwk", Some((&event.proof, "/proof", claim)))
        }
        Event::LedgerOpened(event) => {
            let [first, second] = event.operator_keys.as_slice() else {
                return refuse(BytesCode::FieldInvalid, "/operator_keys", "two keys belong here");
            };
            let kid = second.thumbprint();
            let claim = Possession { ledger: ledger.clone(), org: statement.common.org, kid, r#use: KeyUse::Statement };
            check_checkpoint_key(event, &ledger)?;
            check_key(first, "/operator_keys/0", None)?;
            check_key(second, "/operator_keys/1", Some((&event.recovery_proof, "/recovery_proof", claim)))
        }
        _ => Ok(()),
    }
}

/// The checkpoint key is named after the ledger and signs nothing else.
fn check_checkpoint_key(event: &LedgerOpened, ledger: &Origin) -> Result<(), BytesRefused> {
    let verifier = NoteVerifier::parse(event.checkpoint_vkey.as_str());
    let named_so = verifier.is_ok_and(|verifier| verifier.name() == ledger.as_str());
    let checkpoint_key = event.checkpoint_vkey.public_key();
    let of_operator = |jwk: &Jwk| keys::from_coordinate(&jwk.x).ok().map(|key| key.to_bytes());
    if !named_so || event.operator_keys.iter().any(|jwk| of_operator(jwk) == checkpoint_key) {
        let detail = "expected a vkey named after the ledger, of a key that is not an operator key";
        return refuse(BytesCode::KeyInvalid, "/checkpoint_vkey", detail);
    }
    Ok(())
}

type Proof<'a> = (&'a KeyProof, &'a str, Possession);

fn check_key(jwk: &Jwk, pointer: &str, proof: Option<Proof<'_>>) -> Result<(), BytesRefused> {
    let key = match keys::from_coordinate(&jwk.x) {
        Ok(key) => key,
        Err(problem @ KeyProblem::NotAPoint) => return refuse(BytesCode::KeyInvalid, pointer, problem.to_string()),
        Err(problem @ KeyProblem::Weak) => return refuse(BytesCode::KeyWeak, pointer, problem.to_string()),
    };
    match proof {
        Some((proof, pointer, claim)) if !proves(proof, &key, &claim) => {
            let detail = "expected a JWS by this key over exactly its ledger, org, kid and use";
            refuse(BytesCode::KeyProofInvalid, pointer, detail)
        }
        _ => Ok(()),
    }
}

fn proves(proof: &KeyProof, key: &VerifyingKey, claim: &Possession) -> bool {
    let Ok(jws) = CompactJws::parse(proof.as_str()) else { return false };
    let header_fits = read_header(&jws.header, Typ::KeyProof).is_ok_and(|header| header.kid == claim.kid);
    let said = json::parse(&jws.payload).ok().and_then(|value: Value| Possession::read(&value).ok());
    header_fits && said.as_ref() == Some(claim) && jws.is_signed_by(key)
}
