//! Secrets as files: one private JWK a file, readable by its owner alone.

use crate::domain::event::Jwk;
use crate::proof::keys;
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// A private key as a JWK (RFC 8037): the public members and the secret `d`.
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    x: String,
    d: Zeroizing<String>,
}

/// Makes a key from 32 bytes of the operating system's randomness.
pub fn generate() -> io::Result<SigningKey> {
    Ok(SigningKey::from_bytes(&*random_secret()?))
}

/// 32 random bytes.
pub fn random_secret() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(io::Error::other)?;
    Ok(secret)
}

/// Writes a new file that only its owner reads; an existing one is never overwritten. It is written beside its place and
/// linked into it, so that whoever crashes here leaves no half of a secret.
pub fn write_private(path: &Path, contents: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let draft = path.with_extension("draft");
    if draft.exists() {
        fs::remove_file(&draft)?;
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked
}

/// Writes a key as a private JWK.
pub fn write_key(path: &Path, key: &SigningKey) -> io::Result<()> {
    let public = public_jwk(key)?;
    let private = PrivateJwk {
        kty: public.kty.to_string(),
        crv: public.crv.to_string(),
        x: public.x.to_string(),
        d: Zeroizing::new(BASE64URL_NOPAD.encode(key.as_bytes())),
    };
    let text = Zeroizing::new(serde_json::to_string_pretty(&private).map_err(io::Error::other)? + "\n");
    write_private(path, &text)
}

/// Reads a private JWK; its public part must fit its secret.
pub fn read_key(path: &Path) -> io::Result<SigningKey> {
    let invalid = |problem: &str| io::Error::other(format!("{}: {problem}", path.display()));
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| invalid(&error.to_string()))?);
    let jwk: PrivateJwk = serde_json::from_str(&text).map_err(|_| invalid("not a private JWK"))?;
    let secret = BASE64URL_NOPAD.decode(jwk.d.as_bytes()).map(Zeroizing::new);
    let secret = secret.map_err(|_| invalid("d is not base64url"))?;
    let secret: &[u8; 32] = secret.as_slice().try_into().map_err(|_| invalid("d has not 32 bytes"))?;
    let key = SigningKey::from_bytes(secret);
    if jwk.kty != "OKP" || jwk.crv != "Ed25519" || public_jwk(&key)?.x.as_str() != jwk.x {
        return Err(invalid("not an Ed25519 key, or x does not belong to d"));
    }
    Ok(key)
}

/// The public JWK of a key.
pub fn public_jwk(key: &SigningKey) -> io::Result<Jwk> {
    keys::jwk_of(&key.verifying_key()).ok_or_else(|| io::Error::other("the key has no JWK"))
}
