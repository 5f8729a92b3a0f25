//! The guard: the last signed checkpoint, kept where a backup of the database cannot put it back.
//!
//! The database must extend it at start and before each signature; otherwise history was lost or replaced, and signing
//! on would fork the ledger. It moves by compare-and-swap and is durable before the checkpoint is shown.
//!
//! It is a file of this machine, an object of a bucket, or a row of a second database. A file is held under the operating
//! system's lock. The other two know no lock: of two publishers compare-and-swap lets one through, and the other one finds
//! the guard moved before it shows anything.

use crate::domain::ids::Origin;
use crate::ledger::files::{beside, folder_of, replace};
use crate::ledger::objects::{Objects, ObjectsError, ObjectsUrl};
use crate::store::guard_row::GuardRow;
use crate::store::{DatabaseUrl, StoreError, StoreFault};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Where a guard lies, told by its form and never guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardUrl {
    /// A file.
    File(PathBuf),
    /// `s3://BUCKET/PATH`.
    Object {
        /// The bucket and all but the last part of the path.
        place: ObjectsUrl,
        /// The last part.
        name: String,
    },
    /// `postgres://…`, `postgresql://…` or `sqlite:FILE`.
    Row(DatabaseUrl),
}

impl GuardUrl {
    /// Reads one of the three forms; any other scheme is refused.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(database) = DatabaseUrl::parse(text) {
            return Some(Self::Row(database));
        }
        if text.starts_with("s3://") {
            let (place, name) = text.rsplit_once('/')?;
            let is_bucket = |place: &ObjectsUrl| matches!(place, ObjectsUrl::Bucket { .. });
            let place = ObjectsUrl::parse(place).filter(is_bucket).filter(|_| !name.is_empty())?;
            return Some(Self::Object { place, name: name.to_owned() });
        }
        (!text.is_empty() && !text.contains("://") && !text.starts_with("sqlite:")).then(|| Self::File(text.into()))
    }
}

impl fmt::Display for GuardUrl {
    /// Without the password that a database's URL may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Object { place, name } => write!(f, "{place}/{name}"),
            Self::Row(DatabaseUrl::Sqlite(path)) => write!(f, "sqlite:{}", path.display()),
            Self::Row(DatabaseUrl::Postgres(url)) => {
                let (_, place) = url.split_once("://").unwrap_or_default();
                let (_, place) = place.rsplit_once('@').unwrap_or(("", place));
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

/// Why the guard was not read or moved.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another publisher holds it.
    #[error("another publisher holds the guard {0}")]
    Held(String),
    /// It holds another checkpoint than the one that this publisher put there.
    #[error("the guard holds another checkpoint than this publisher put there")]
    Moved,
    /// It cannot be a guard as it is set up.
    #[error("this cannot be a guard: {0}")]
    Unusable(String),
    /// It does not answer; trying again is safe.
    #[error("the guard cannot be read or written: {0}")]
    Unreachable(String),
}

/// A guard, ready to be read and moved.
#[derive(Debug)]
pub struct Guard {
    url: GuardUrl,
    origin: Origin,
    form: Form,
}

#[derive(Debug)]
enum Form {
    File(FileGuard),
    Object { objects: Objects, name: String },
    Row(GuardRow),
}

impl Guard {
    /// Takes a ledger's guard. `environment` is that of [`Objects::open`].
    ///
    /// A place that could not guard is refused: a bucket that ignores conditions, a database that holds a ledger.
    pub fn open(
        url: &GuardUrl,
        origin: &Origin,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, GuardError> {
        let form = match url {
            GuardUrl::File(path) => Form::File(FileGuard::open(path)?),
            GuardUrl::Object { place, name } => {
                let objects = Objects::open(place, environment)?;
                if let Some(object) = objects.get(name)? {
                    objects.require_conditions(name, &object)?;
                }
                Form::Object { objects, name: name.clone() }
            }
            GuardUrl::Row(database) => {
                if let DatabaseUrl::Sqlite(path) = database {
                    fs::create_dir_all(folder_of(path))?;
                }
                Form::Row(GuardRow::open(database).map_err(unusable)?)
            }
        };
        Ok(Self { url: url.clone(), origin: origin.clone(), form })
    }

    /// Where it lies.
    pub const fn url(&self) -> &GuardUrl {
        &self.url
    }

    /// The checkpoint note that it holds; `None` before the first.
    pub fn read(&self) -> Result<Option<String>, GuardError> {
        match &self.form {
            Form::File(file) => file.read(),
            Form::Object { objects, name } => {
                let Some(object) = objects.get(name)? else { return Ok(None) };
                let note = String::from_utf8(object.bytes);
                note.map(Some).map_err(|_| GuardError::Unusable(format!("{} is no text", self.url)))
            }
            Form::Row(row) => Ok(row.read(&self.origin)?),
        }
    }

    /// Puts a checkpoint in the place of the expected one.
    ///
    /// If we crash before it is done the old one holds, after it the new one; the database extends both. If it fails
    /// half-way the same swap again is right: the new one may be there already, or arrive later.
    pub fn swap(&self, expected: Option<&str>, note: &str) -> Result<(), GuardError> {
        match &self.form {
            Form::File(file) => file.swap(expected, note),
            Form::Object { objects, name } => swap_object(objects, name, expected, note),
            Form::Row(row) => {
                if row.swap(&self.origin, expected, note)? {
                    Ok(())
                } else {
                    Err(GuardError::Moved)
                }
            }
        }
    }
}

/// The guard is moved by the version that holds the expected note; if that moves in between, the store refuses.
fn swap_object(objects: &Objects, name: &str, expected: Option<&str>, note: &str) -> Result<(), GuardError> {
    let held = objects.get(name)?;
    let bytes = held.as_ref().map(|object| object.bytes.as_slice());
    if bytes == Some(note.as_bytes()) {
        return Ok(());
    }
    if bytes != expected.map(str::as_bytes) {
        return Err(GuardError::Moved);
    }
    objects.swap(name, held.as_ref().map(|object| &object.version), note.as_bytes())?;
    if held.is_none()
        && let Some(object) = objects.get(name)?
    {
        // The first time there was nothing yet to try the store's conditions on.
        objects.require_conditions(name, &object)?;
    }
    Ok(())
}

impl From<io::Error> for GuardError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<ObjectsError> for GuardError {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Moved(_) | ObjectsError::Differs(_) => Self::Moved,
            ObjectsError::Unusable(problem) => Self::Unusable(problem),
            ObjectsError::TooLong(_) => Self::Unusable(error.to_string()),
            ObjectsError::Failed(problem) => Self::Unreachable(problem),
        }
    }
}

impl From<StoreError> for GuardError {
    /// What was a guard when it was opened does not answer well now: another schema, a full disk. The same swap again is safe.
    fn from(error: StoreError) -> Self {
        Self::Unreachable(error.message)
    }
}

/// Why a database is no guard, when it is opened.
fn unusable(error: StoreError) -> GuardError {
    match error.fault {
        StoreFault::Rejected | StoreFault::Damaged => GuardError::Unusable(error.message),
        StoreFault::Busy | StoreFault::Failed | StoreFault::OutcomeUnknown => GuardError::Unreachable(error.message),
    }
}

/// The guard as a file, held by one publisher at a time.
#[derive(Debug)]
struct FileGuard {
    path: PathBuf,
    /// The operating system's lock: two publishers on one guard must not be.
    _lock: File,
}

impl FileGuard {
    /// Takes the guard; its folder is made if it is missing.
    fn open(path: &Path) -> Result<Self, GuardError> {
        fs::create_dir_all(folder_of(path))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, "lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(GuardError::Held(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn read(&self) -> Result<Option<String>, GuardError> {
        match fs::read_to_string(&self.path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn swap(&self, expected: Option<&str>, note: &str) -> Result<(), GuardError> {
        let held = self.read()?;
        if held.as_deref() != expected && held.as_deref() != Some(note) {
            return Err(GuardError::Moved);
        }
        Ok(replace(&self.path, note.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin::parse("ledger.test/0badc0de").expect("an origin")
    }

    #[test]
    fn the_guard_moves_by_compare_and_swap_and_a_file_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("guard/ledger").display().to_string();
        for url in [file.clone(), format!("sqlite:{file}.sqlite")] {
            let url = GuardUrl::parse(&url).expect("a guard");
            let open = || Guard::open(&url, &origin(), []);
            let guard = open().expect("a guard");
            let second = open();
            assert_eq!(matches!(second, Err(GuardError::Held(_))), matches!(url, GuardUrl::File(_)));
            assert_eq!(guard.read().expect("readable"), None);
            assert!(matches!(guard.swap(Some("a"), "b"), Err(GuardError::Moved)));
            guard.swap(None, "a").expect("first");
            guard.swap(None, "a").expect("the same again");
            assert!(matches!(guard.swap(None, "b"), Err(GuardError::Moved)));
            guard.swap(Some("a"), "b").expect("second");
            guard.swap(Some("a"), "b").expect("the same again");
            assert!(matches!(guard.swap(Some("a"), "c"), Err(GuardError::Moved)));
            assert_eq!(guard.read().expect("readable").as_deref(), Some("b"));
            drop((guard, second));
            assert!(open().is_ok());
        }
    }

    #[test]
    fn a_guard_is_told_by_its_form_and_shows_no_password() {
        let shown = |text: &str| GuardUrl::parse(text).map(|url| url.to_string());
        assert_eq!(shown("a/b").as_deref(), Some("a/b"));
        assert_eq!(shown("s3://bucket/a/b").as_deref(), Some("s3://bucket/a/b"));
        assert_eq!(shown("sqlite:a/b").as_deref(), Some("sqlite:a/b"));
        assert_eq!(shown("postgres://me:secret@host/db?x=y").as_deref(), Some("postgres://host/db"));
        assert_eq!(shown("postgresql://host/db").as_deref(), Some("postgres://host/db"));
        for refused in ["", "s3://bucket", "s3://bucket/", "gs://bucket/a", "sqlite:", "https://host/a"] {
            assert_eq!(GuardUrl::parse(refused), None, "{refused}");
        }
    }
}
