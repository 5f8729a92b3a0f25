//! Now, as a value that is passed in, so that tests give the time.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 in UTC.
#[derive(Clone)]
pub struct Clock {
    now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    is_real: bool,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let now = || {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
        };
        Self { now_ms: Arc::new(now), is_real: true }
    }

    /// A clock that tells what it is given; it is not compared with the database's.
    pub fn given(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { now_ms: Arc::new(now_ms), is_real: false }
    }

    /// Milliseconds since 1970 in UTC.
    pub fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    /// Whether it is the machine's clock, which must agree with the database's.
    pub const fn is_real(&self) -> bool {
        self.is_real
    }
}
