//! A service, or any store of tiles behind HTTP, as a source.

use crate::ledger::audit::source::{Source, SourceError};
use crate::ledger::audit::tile_files::{Files, TileFiles};
use crate::limits::{AUDIT_FETCHES_AT_ONCE, AUDIT_RETRY_AFTER_SECONDS_MAX, AUDIT_TRIES, NOTE_BYTES_MAX};
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

struct Remote {
    prefix: String,
    token: Option<String>,
    agent: ureq::Agent,
}

/// The ledger that a service shows at `URL/log/`, or whose `checkpoint` and `tile/` lie at the URL itself. A token is needed where
/// entries are for auditors alone. `witnessed`: up to the checkpoint that the service's own witnesses have cosigned, if it has one.
pub fn open(url: &str, token: Option<String>, witnessed: bool) -> Result<impl Source, SourceError> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_idle_connections(AUDIT_FETCHES_AT_ONCE)
        .max_idle_connections_per_host(AUDIT_FETCHES_AT_ONCE);
    let url = url.trim_end_matches('/');
    let mut remote = Remote { prefix: format!("{url}/log"), token, agent: config.build().new_agent() };
    if remote.read("checkpoint", NOTE_BYTES_MAX)?.is_none() {
        url.clone_into(&mut remote.prefix);
    }
    let files = TileFiles::new(remote);
    Ok(if witnessed { files.up_to_witnessed() } else { files })
}

/// What one request came to.
enum Answer {
    Found(Vec<u8>),
    Missing,
    /// Trying again may help, after so long if the server says so.
    Later(String, Option<u64>),
}

impl Remote {
    fn ask(&self, url: &str, most: usize) -> Result<Answer, SourceError> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Answer::Later(error.to_string(), None)),
        };
        let status = response.status().as_u16();
        match status {
            200 => {}
            404 | 410 => return Ok(Answer::Missing),
            401 | 403 => {
                let cure = "entries are for auditors here; give a token with the scope audit by --token-file";
                return Err(SourceError::Unreachable(format!("{url} answers {status}: {cure}")));
            }
            429 | 500..=599 => {
                let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
                return Ok(Answer::Later(format!("it answers {status}"), after));
            }
            _ => return Err(SourceError::Unreachable(format!("{url} answers {status}"))),
        }
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        match response.body_mut().with_config().limit(limit).read_to_vec() {
            Ok(bytes) => Ok(Answer::Found(bytes)),
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                Err(SourceError::Damaged(format!("{url} gives more than {most} bytes")))
            }
            Err(error) => Ok(Answer::Later(error.to_string(), None)),
        }
    }
}

impl Files for Remote {
    fn name(&self) -> String {
        self.prefix.clone()
    }

    fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = format!("{}/{path}", self.prefix);
        let mut problem = String::new();
        for attempt in 0..AUDIT_TRIES {
            match self.ask(&url, most)? {
                Answer::Found(bytes) => return Ok(Some(bytes)),
                Answer::Missing => return Ok(None),
                Answer::Later(words, after) => {
                    problem = words;
                    if attempt + 1 < AUDIT_TRIES {
                        let pause = after.map_or(Duration::from_millis(100 << attempt), |seconds| {
                            Duration::from_secs(seconds.min(AUDIT_RETRY_AFTER_SECONDS_MAX))
                        });
                        std::thread::sleep(pause);
                    }
                }
            }
        }
        Err(SourceError::Unreachable(format!("{url}: {problem}, {AUDIT_TRIES} times")))
    }

    fn at_once(&self) -> usize {
        AUDIT_FETCHES_AT_ONCE
    }
}
