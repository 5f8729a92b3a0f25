//! Ed25519 keys and compact JWS (RFC 7515, RFC 8037, RFC 9864).
//!
//! Signatures are checked by `verify_strict` alone: what it accepts, every implementation accepts, years later too.

use crate::domain::event::{Curve, Jwk, KeyCoordinate, KeyType};
use crate::domain::ids::KeyId;
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Why a public key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Not the encoding of a point of the curve, or not its canonical one.
    #[error("x is no canonical encoding of a point of the curve")]
    NotAPoint,
    /// A point of small order, under which a signature could fit any message.
    #[error("this is a weak key: a point of small order")]
    Weak,
}

/// Whether a compressed point's y lies below the field's prime, 2^255 - 19, as RFC 8032 demands.
fn is_canonical(bytes: [u8; 32]) -> bool {
    let low_is_big = bytes[0] >= 0xed;
    let high_is_full = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|byte| *byte == 0xff);
    !(low_is_big && high_is_full)
}

/// Reads 32 bytes as a public key; weak and non-canonical ones are refused.
pub fn verifying_key(bytes: [u8; 32]) -> Result<VerifyingKey, KeyProblem> {
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyProblem::NotAPoint)?;
    if !is_canonical(bytes) {
        return Err(KeyProblem::NotAPoint);
    }
    if key.is_weak() {
        return Err(KeyProblem::Weak);
    }
    Ok(key)
}

/// Reads the public key of a JWK.
pub fn from_coordinate(x: &KeyCoordinate) -> Result<VerifyingKey, KeyProblem> {
    let KeyId(bytes) = KeyId::parse(x.as_str()).ok_or(KeyProblem::NotAPoint)?;
    verifying_key(bytes)
}

/// The public JWK of a key.
pub fn jwk_of(key: &VerifyingKey) -> Option<Jwk> {
    let x = KeyCoordinate::parse(&BASE64URL_NOPAD.encode(key.as_bytes()))?;
    Some(Jwk { kty: KeyType::Okp, crv: Curve::Ed25519, x })
}

/// The thumbprint of a key.
pub fn thumbprint(key: &VerifyingKey) -> Option<KeyId> {
    jwk_of(key).map(|jwk| jwk.thumbprint())
}

/// A compact JWS taken apart: three parts, each base64url without padding and with zero trailing bits.
pub struct CompactJws<'a> {
    /// The bytes of the protected header.
    pub header: Vec<u8>,
    /// The bytes of the payload.
    pub payload: Vec<u8>,
    signature: Signature,
    signing_input: &'a str,
}

impl<'a> CompactJws<'a> {
    /// Takes a JWS apart, or says which part is broken.
    pub fn parse(jws: &'a str) -> Result<Self, &'static str> {
        let mut parts = jws.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("a compact JWS has three parts joined by dots");
        };
        let decode = |part: &str, problem| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| problem);
        let header_bytes = decode(header, "the header is not base64url without padding and trailing bits")?;
        let payload_bytes = decode(payload, "the payload is not base64url without padding and trailing bits")?;
        let signature = decode(signature, "the signature is not base64url without padding and trailing bits")?;
        Ok(Self {
            header: header_bytes,
            payload: payload_bytes,
            signature: Signature::from_slice(&signature).map_err(|_| "an Ed25519 signature has 64 bytes")?,
            signing_input: &jws[..header.len() + 1 + payload.len()],
        })
    }

    /// Whether the signature is this key's.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        key.verify_strict(self.signing_input.as_bytes(), &self.signature).is_ok()
    }
}

/// Signs a payload as a compact JWS with header `{"alg":"Ed25519","kid":…,"typ":…}`.
pub fn sign_compact(key: &SigningKey, typ: &str, payload: &[u8]) -> Option<String> {
    let kid = thumbprint(&key.verifying_key())?;
    let header = format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"{typ}"}}"#);
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload));
    let signature = key.sign(input.as_bytes());
    Some(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_odd_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert_eq!(verifying_key(identity), Err(KeyProblem::Weak));
        let mut two = [0u8; 32];
        two[0] = 2;
        assert_eq!(verifying_key(two), Err(KeyProblem::NotAPoint));
        // y = p + 3 encodes the same point as y = 3, which lies on the curve.
        let mut above_prime = [0xff_u8; 32];
        above_prime[0] = 0xf0;
        above_prime[31] = 0x7f;
        assert_eq!(verifying_key(above_prime), Err(KeyProblem::NotAPoint));
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let x = KeyCoordinate::parse("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("RFC 8037, A.2");
        let jwk = Jwk { kty: KeyType::Okp, crv: Curve::Ed25519, x };
        assert_eq!(jwk.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
