//! Objects: bytes by path, in a bucket that speaks S3 or in a folder.
//!
//! Two ways of writing and no third. What has one content for ever is written create-only: an object that exists is
//! read and must be the same bytes. What moves is written by compare-and-swap. So a write that arrives late, after
//! somebody has given up on it, can never put old bytes in the place of new ones.
//!
//! Whatever a write is answered with (an error, a refusal by a lock on the bucket, nothing in time), what lies there
//! afterwards decides. Nothing is tried again here: whoever asks does that.

use crate::ledger::files;
use crate::limits::{OBJECT_BYTES_MAX, OBJECT_CONNECT_SECONDS_MAX, OBJECT_SECONDS_MAX};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{
    Attribute, Attributes, ClientConfigKey, GetOptions, ObjectStore, PutMode, PutOptions, RetryConfig, UpdateVersion,
};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Where objects lie, told by its form and never guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectsUrl {
    /// `s3://BUCKET/PREFIX`.
    Bucket {
        /// The bucket.
        bucket: String,
        /// Before every path; may be empty.
        prefix: String,
    },
    /// A folder of this machine.
    Folder(PathBuf),
}

impl ObjectsUrl {
    /// Reads `s3://BUCKET[/PREFIX]`; what has no scheme is a folder, any other scheme is refused.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            let is_prefix = !prefix.starts_with('/') && ObjectPath::parse(prefix).is_ok();
            let is_bucket = !bucket.is_empty() && bucket.chars().all(fits) && is_prefix;
            let prefix = prefix.trim_matches('/').to_owned();
            return is_bucket.then(|| Self::Bucket { bucket: bucket.to_owned(), prefix });
        }
        (!text.is_empty() && !text.contains("://")).then(|| Self::Folder(text.into()))
    }
}

impl fmt::Display for ObjectsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The place cannot be used as it is set up.
    #[error("{0}")]
    Unusable(String),
    /// Something that must never change has other bytes there.
    #[error("{0} holds other bytes than those that belong there")]
    Differs(String),
    /// Somebody else has moved it.
    #[error("{0} was moved by somebody else")]
    Moved(String),
    /// Longer than anything that is kept there.
    #[error("{0} is longer than {OBJECT_BYTES_MAX} bytes")]
    TooLong(String),
    /// It did not work, and trying again is safe.
    #[error("{0}")]
    Failed(String),
}

/// Which bytes an object holds, as its place tells one from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What [`Objects::swap`] expects to find.
    pub version: Version,
}

/// A place of objects. It blocks: call it from a thread that may wait, never from asynchronous code.
#[derive(Debug)]
pub struct Objects {
    url: ObjectsUrl,
    runtime: Runtime,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Bucket(Box<AmazonS3>),
    Folder(LocalFileSystem),
}

impl Objects {
    /// Opens a place; nothing is asked of a bucket yet.
    ///
    /// `environment` gives credentials, region and endpoint of a bucket under their usual names: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`; without TLS only if `AWS_ALLOW_HTTP` is `true`.
    pub fn open(
        url: &ObjectsUrl,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ObjectsError> {
        let unusable = |error: &dyn fmt::Display| ObjectsError::Unusable(format!("{url} cannot be used: {error}"));
        let place = match url {
            ObjectsUrl::Bucket { bucket, .. } => {
                let bucket = open_bucket(bucket, environment).map_err(|error| unusable(&error))?;
                Place::Bucket(Box::new(bucket))
            }
            ObjectsUrl::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
                let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| unusable(&error))?;
                Place::Folder(files.with_fsync(true))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { url: url.clone(), runtime: runtime.map_err(|error| unusable(&error))?, place })
    }

    /// Where it is.
    pub const fn url(&self) -> &ObjectsUrl {
        &self.url
    }

    /// Reads an object; `None` if there is none.
    pub fn get(&self, path: &str) -> Result<Option<Object>, ObjectsError> {
        let location = self.location(path)?;
        let got = self.wait(path, async {
            let found = self.store().get_opts(&location, GetOptions::default()).await?;
            let (size, etag) = (found.meta.size, found.meta.e_tag.clone());
            let bytes = if size > OBJECT_BYTES_MAX { None } else { Some(found.bytes().await?) };
            Ok((bytes, etag))
        });
        let (bytes, etag) = match got {
            Ok(got) => got,
            Err(Failure::Answered(object_store::Error::NotFound { .. })) => return Ok(None),
            Err(failure) => return Err(failure.into_error(&self.name(path))),
        };
        let bytes = bytes.ok_or_else(|| ObjectsError::TooLong(self.name(path)))?.to_vec();
        let version = match (&self.place, etag) {
            (Place::Folder(_), _) => Version::of_bytes(&bytes),
            (Place::Bucket(_), Some(etag)) => Version(etag),
            (Place::Bucket(_), None) => return Err(self.unconditional()),
        };
        Ok(Some(Object { bytes, version }))
    }

    /// Writes what has one content for ever; the same again is right.
    ///
    /// Fails with [`ObjectsError::Differs`] if other bytes lie there. If we crash in it, the object is there whole or not
    /// at all.
    pub fn create(&self, path: &str, bytes: &[u8]) -> Result<(), ObjectsError> {
        let Err(failure) = self.put(path, bytes, PutMode::Create, Change::Never) else { return Ok(()) };
        match self.get(path)? {
            Some(object) if object.bytes == bytes => Ok(()),
            Some(_) => Err(ObjectsError::Differs(self.name(path))),
            None => Err(failure),
        }
    }

    /// Puts bytes in the place of the expected version, or where nothing is expected, and gives their version.
    ///
    /// Fails with [`ObjectsError::Moved`] if something else lies there. Of any other failure the outcome is unknown: the
    /// same swap again is right, whether the first one happened, will still happen, or never does.
    pub fn swap(&self, path: &str, expected: Option<&Version>, bytes: &[u8]) -> Result<Version, ObjectsError> {
        let put = match &self.place {
            Place::Folder(files) => self.swap_file(files, path, expected, bytes),
            Place::Bucket(_) => self.put(path, bytes, mode(expected), Change::Soon),
        };
        let Err(failure) = put else { return put };
        match self.get(path)? {
            Some(object) if object.bytes == bytes => Ok(object.version),
            found if found.as_ref().map(|object| &object.version) == expected => Err(failure),
            _ => Err(ObjectsError::Moved(self.name(path))),
        }
    }

    /// Makes sure that the place refuses what a condition forbids: some that speak S3 ignore conditions, and there a
    /// compare-and-swap would compare nothing. The object is written with its own bytes, which changes nothing.
    pub fn require_conditions(&self, path: &str, object: &Object) -> Result<(), ObjectsError> {
        if let Place::Folder(_) = self.place {
            return Ok(());
        }
        for unmet in [None, Some(&Version("\"0\"".into()))] {
            match self.try_put(path, &object.bytes, mode(unmet), Change::Soon) {
                Ok(_) => return Err(self.unconditional()),
                Err(Failure::Answered(
                    object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
                )) => {}
                Err(failure) => return Err(failure.into_error(&self.name(path))),
            }
        }
        Ok(())
    }

    fn unconditional(&self) -> ObjectsError {
        let url = &self.url;
        ObjectsError::Unusable(format!("{url} ignores If-Match and If-None-Match: choose a place that honours them"))
    }

    fn put(&self, path: &str, bytes: &[u8], mode: PutMode, change: Change) -> Result<Version, ObjectsError> {
        self.try_put(path, bytes, mode, change).map_err(|failure| failure.into_error(&self.name(path)))
    }

    fn try_put(&self, path: &str, bytes: &[u8], mode: PutMode, change: Change) -> Result<Version, Failure> {
        let location = self.location(path).map_err(Failure::Before)?;
        if u64::try_from(bytes.len()).map_or(true, |length| length > OBJECT_BYTES_MAX) {
            return Err(Failure::Before(ObjectsError::TooLong(self.name(path))));
        }
        let attributes = match &self.place {
            Place::Bucket(_) => change.attributes(),
            Place::Folder(_) => Attributes::new(),
        };
        let put = self.store().put_opts(
            &location,
            bytes.to_vec().into(),
            PutOptions { mode, attributes, ..PutOptions::default() },
        );
        let put = self.wait(path, put)?;
        match (&self.place, put.e_tag) {
            (Place::Folder(_), _) => Ok(Version::of_bytes(bytes)),
            (Place::Bucket(_), Some(etag)) => Ok(Version(etag)),
            (Place::Bucket(_), None) => Err(Failure::Before(self.unconditional())),
        }
    }

    /// A folder knows no conditions: a lock beside the file makes one of read, compare and rename.
    fn swap_file(
        &self,
        files: &LocalFileSystem,
        path: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, ObjectsError> {
        let failed = |error: &dyn fmt::Display| ObjectsError::Failed(format!("{}: {error}", self.name(path)));
        let location = self.location(path)?;
        let file = files.path_to_filesystem(&location).map_err(|error| failed(&error))?;
        std::fs::create_dir_all(files::folder_of(&file)).map_err(|error| failed(&error))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(files::beside(&file, "lock"));
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|error| failed(&error))?;
        if self.get(path)?.as_ref().map(|object| &object.version) != expected {
            return Err(ObjectsError::Moved(self.name(path)));
        }
        files::replace(&file, bytes).map_err(|error| failed(&error))?;
        drop(lock);
        Ok(Version::of_bytes(bytes))
    }

    fn store(&self) -> &dyn ObjectStore {
        match &self.place {
            Place::Bucket(bucket) => bucket.as_ref(),
            Place::Folder(files) => files,
        }
    }

    fn location(&self, path: &str) -> Result<ObjectPath, ObjectsError> {
        let full = match &self.url {
            ObjectsUrl::Bucket { prefix, .. } if !prefix.is_empty() => format!("{prefix}/{path}"),
            _ => path.to_owned(),
        };
        ObjectPath::parse(full).map_err(|error| ObjectsError::Unusable(error.to_string()))
    }

    /// An object's name in messages.
    fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }

    fn wait<T>(&self, path: &str, work: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
        let patience = Duration::from_secs(OBJECT_SECONDS_MAX);
        let outcome = self.runtime.block_on(async { tokio::time::timeout(patience, work).await });
        let late = |_| Failure::Before(ObjectsError::Failed(format!("{} did not answer in time", self.name(path))));
        outcome.map_err(late)?.map_err(Failure::Answered)
    }
}

impl Version {
    fn of_bytes(bytes: &[u8]) -> Self {
        Self(data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
    }
}

/// How long others may keep what they read, if the bucket is served as it is.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// What is written create-only.
    Never,
    /// What moves: text.
    Soon,
}

impl Change {
    fn attributes(self) -> Attributes {
        let (kind, kept) = match self {
            Self::Never => ("application/octet-stream", "public, max-age=31536000, immutable"),
            Self::Soon => ("text/plain; charset=utf-8", "no-cache"),
        };
        Attributes::from_iter([(Attribute::ContentType, kind), (Attribute::CacheControl, kept)])
    }
}

/// Why one request gave nothing.
enum Failure {
    /// What the crate says.
    Answered(object_store::Error),
    /// What we say.
    Before(ObjectsError),
}

impl Failure {
    fn into_error(self, name: &str) -> ObjectsError {
        match self {
            Self::Answered(error) => ObjectsError::Failed(format!("{name}: {error}")),
            Self::Before(error) => error,
        }
    }
}

fn mode(expected: Option<&Version>) -> PutMode {
    match expected {
        None => PutMode::Create,
        Some(version) => PutMode::Update(UpdateVersion { e_tag: Some(version.0.clone()), version: None }),
    }
}

/// One request is one request: with retries of its own, an object store would hide from us that a first try may have
/// succeeded.
fn open_bucket(
    bucket: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> object_store::Result<AmazonS3> {
    // The client finds its cryptography here; that another part of the process was first is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = AmazonS3Builder::new()
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), format!("{OBJECT_SECONDS_MAX} s"))
        .with_config(
            AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout),
            format!("{OBJECT_CONNECT_SECONDS_MAX} s"),
        );
    for (name, value) in environment.into_iter().filter(|(name, _)| name.starts_with("AWS_")) {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    builder.with_bucket_name(bucket).with_retry(retry).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_its_form() {
        let bucket =
            |bucket: &str, prefix: &str| Some(ObjectsUrl::Bucket { bucket: bucket.into(), prefix: prefix.into() });
        assert_eq!(ObjectsUrl::parse("s3://b"), bucket("b", ""));
        assert_eq!(ObjectsUrl::parse("s3://b/a/c/"), bucket("b", "a/c"));
        assert_eq!(ObjectsUrl::parse("a/c"), Some(ObjectsUrl::Folder("a/c".into())));
        for refused in ["", "s3://", "s3:///a", "s3://b//a", "s3://b/../a", "gs://b/a", "https://b/a"] {
            assert_eq!(ObjectsUrl::parse(refused), None, "{refused}");
        }
    }
}
