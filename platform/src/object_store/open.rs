//! Which store do the settings name? Opens it, with counting and retries around it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::counting::Counting;
use super::local::LocalStore;
use super::retrying::{Policy, Retrying};
use super::{ObjectStore, StoreError};

/// Kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A directory of this machine.
    Local,
    /// A bucket of an S3 server.
    S3,
}

/// Where objects lie, and how patient to be with the store. Empty texts mean "not set".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Directory or bucket.
    pub kind: Kind,
    /// `local`: the directory; empty means `objects` in the data directory.
    pub dir: PathBuf,
    /// `s3`: the bucket.
    pub bucket: String,
    /// `s3`: where in the bucket; empty means its top.
    pub prefix: String,
    /// `s3`: the region; empty means what the environment or profile says, else `us-east-1`.
    pub region: String,
    /// `s3`: URL of the server; empty means AWS.
    pub endpoint: String,
    /// `s3`: `https://server/bucket/key` rather than `https://bucket.server/key`.
    pub path_style: bool,
    /// `s3`: time for a connection.
    pub connect_timeout_ms: u64,
    /// `s3`: time for a request, besides that for its bytes.
    pub request_timeout_ms: u64,
    /// `s3`: a transfer slower than this is given up.
    pub transfer_bytes_per_s_min: u64,
    /// Tries after the first.
    pub retries_max: u32,
    /// Pause before the first of them; doubled for each further one.
    pub retry_pause_first_ms: u64,
    /// The longest pause.
    pub retry_pause_max_ms: u64,
}

impl Settings {
    /// What contradicts itself, as `key` and what is wrong.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.kind == Kind::S3 && self.bucket.is_empty() {
            return Err(("bucket", "must be set when `kind` is `s3`".to_owned()));
        }
        if !self.prefix.is_empty() {
            super::check_key("open", &self.prefix)
                .map_err(|error| ("prefix", format!("cannot begin object keys: {error}")))?;
        }
        if !self.endpoint.is_empty()
            && !["http://", "https://"].iter().any(|scheme| self.endpoint.starts_with(scheme))
        {
            let wrong = format!("`{}` must begin with http:// or https://", self.endpoint);
            return Err(("endpoint", wrong));
        }
        let positive = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("transfer_bytes_per_s_min", self.transfer_bytes_per_s_min),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err((key, "must be above 0".to_owned()));
        }
        if self.retry_pause_first_ms > self.retry_pause_max_ms {
            let wrong = format!(
                "is {}, above `retry_pause_max_ms` = {}",
                self.retry_pause_first_ms, self.retry_pause_max_ms
            );
            return Err(("retry_pause_first_ms", wrong));
        }
        Ok(())
    }

    fn policy(&self) -> Policy {
        Policy {
            retries_max: self.retries_max,
            pause_first: Duration::from_millis(self.retry_pause_first_ms),
            pause_max: Duration::from_millis(self.retry_pause_max_ms),
        }
    }
}

/// Opens the store that `settings` name; `default_dir` is for local objects without a `dir`.
/// Requests to it are counted and tried again.
///
/// # Errors
/// `Refused` when the settings contradict themselves, the directory cannot be written to, or the
/// bucket is not there for these credentials. A bucket that does not answer is no error here.
pub async fn open(
    settings: &Settings,
    default_dir: &Path,
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    if let Err((key, wrong)) = settings.check() {
        return Err(StoreError::refused("open", format!("store.{key}"), wrong));
    }
    let store: Arc<dyn ObjectStore> = match settings.kind {
        Kind::Local if settings.dir.as_os_str().is_empty() => {
            Arc::new(LocalStore::open(default_dir)?)
        }
        Kind::Local => Arc::new(LocalStore::open(&settings.dir)?),
        Kind::S3 => open_s3(settings).await?,
    };
    Ok(Arc::new(Retrying::new(Arc::new(Counting::new(store)), settings.policy())))
}

#[cfg(feature = "s3")]
async fn open_s3(settings: &Settings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    Ok(Arc::new(super::s3::S3Store::open(settings).await?))
}

#[cfg(not(feature = "s3"))]
async fn open_s3(settings: &Settings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    Err(StoreError::refused("open", &settings.bucket, "this program was built without S3"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::object_store::Body;

    pub(crate) fn settings() -> Settings {
        Settings {
            kind: Kind::Local,
            dir: PathBuf::new(),
            bucket: String::new(),
            prefix: String::new(),
            region: String::new(),
            endpoint: String::new(),
            path_style: true,
            connect_timeout_ms: 3_000,
            request_timeout_ms: 10_000,
            transfer_bytes_per_s_min: 100_000,
            retries_max: 0,
            retry_pause_first_ms: 1,
            retry_pause_max_ms: 10,
        }
    }

    #[tokio::test]
    async fn local_objects_lie_where_the_settings_say() {
        let dir = tempfile::tempdir().unwrap();
        let default = dir.path().join("default");
        let store = open(&settings(), &default).await.unwrap();
        store.put("a", Body::Bytes("x".into())).await.unwrap();
        assert!(default.join("a").exists());
        let chosen = Settings { dir: dir.path().join("chosen"), ..settings() };
        let store = open(&chosen, &default).await.unwrap();
        assert!(store.list("").await.unwrap().is_empty());
        assert!(store.describe().ends_with("chosen"));
    }

    #[tokio::test]
    async fn contradictions_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let s3 = || Settings { kind: Kind::S3, bucket: "b".to_owned(), ..settings() };
        let cases = [
            ("store.bucket", Settings { bucket: String::new(), ..s3() }),
            ("store.prefix", Settings { prefix: "../x".to_owned(), ..s3() }),
            ("store.endpoint", Settings { endpoint: "localhost:9000".to_owned(), ..s3() }),
            ("store.request_timeout_ms", Settings { request_timeout_ms: 0, ..s3() }),
            ("store.retry_pause_first_ms", Settings { retry_pause_first_ms: 11, ..settings() }),
        ];
        for (key, settings) in cases {
            let error = open(&settings, dir.path()).await.unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
