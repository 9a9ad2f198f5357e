//! How do objects lie in a bucket? An S3 server, spoken to by the AWS SDK.
//!
//! The SDK's own retries are off: [`super::retrying`] does that, so that every request is counted.
//! Only a request whose credentials are no longer good is sent again here, with new ones.

use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::key::{out_of_range, within};
use super::{
    Body, ObjectInfo, ObjectStore, Settings, StoreError, StoreFuture, check_key, check_prefix,
};
use client::{Clients, Credentials};
use explain::{Failure, explain};

mod client;
mod explain;
#[cfg(test)]
mod tests;

/// What S3 takes in one request.
const PUT_BYTES_MAX: u64 = 5 << 30;
const LIST_KEYS_MAX: i32 = 1000;

/// Objects in a bucket.
#[derive(Clone, Debug)]
pub struct S3Store {
    clients: Arc<Clients>,
    bucket: String,
    prefix: String,
    endpoint: String,
    request_timeout: Duration,
    transfer_bytes_per_s_min: u64,
    list_keys_max: i32,
}

impl S3Store {
    /// Connects to the bucket that `settings` name, and looks into it.
    ///
    /// # Errors
    /// `Refused` when there are no credentials, they are not good for the bucket, or there is no
    /// such bucket. A server that does not answer now is no error: it may come back.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let store = Self::with_credentials(settings, Credentials::Standard).await;
        match store.look().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, store = store.describe(), "the bucket does not answer yet");
                Ok(store)
            }
            Err(error) => Err(error),
            Ok(()) => Ok(store),
        }
    }

    /// The store with these keys instead of what the standard chain finds: for tests, which share
    /// one environment.
    #[cfg(any(test, feature = "conformance"))]
    pub async fn with_keys(settings: &Settings, access_key: &str, secret_key: &str) -> Self {
        let keys = aws_sdk_s3::config::Credentials::new(access_key, secret_key, None, None, "keys");
        let make = move || aws_sdk_s3::config::SharedCredentialsProvider::new(keys.clone());
        Self::with_credentials(settings, Credentials::Made(Arc::new(make))).await
    }

    async fn with_credentials(settings: &Settings, credentials: Credentials) -> Self {
        Self {
            clients: Arc::new(Clients::new(settings, credentials).await),
            bucket: settings.bucket.clone(),
            prefix: match settings.prefix.as_str() {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            endpoint: settings.endpoint.clone(),
            request_timeout: Duration::from_millis(settings.request_timeout_ms),
            transfer_bytes_per_s_min: settings.transfer_bytes_per_s_min.max(1),
            list_keys_max: LIST_KEYS_MAX,
        }
    }

    /// Whether the bucket can be looked into.
    async fn look(&self) -> Result<(), StoreError> {
        self.asked(|client| self.list_page(client, ("", None), 1)).await.map(drop)
    }

    /// Sends a request; once more with credentials read anew when the server no longer takes those
    /// in use.
    async fn asked<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<T, StoreError> {
        let (generation, client) = self.clients.current();
        let answer = match request(client).await {
            Err(failure) if failure.stale_credentials => {
                let renewed = self.clients.renewed(generation).await;
                let error = &failure.error;
                tracing::info!(%error, "the credentials of the object store were read anew");
                request(renewed).await
            }
            answer => answer,
        };
        answer.map_err(|failure| failure.error)
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Waits for `request` no longer than a request of `bytes` may take.
    async fn bounded<T>(
        &self,
        operation: &'static str,
        key: &str,
        bytes: u64,
        request: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        let transfer = Duration::from_secs(bytes / self.transfer_bytes_per_s_min);
        let allowed = self.request_timeout + transfer;
        tokio::time::timeout(allowed, request).await.map_err(|_| {
            StoreError::transient(operation, key, format!("no answer within {allowed:?}"))
        })
    }

    async fn bytes_of(&self, client: Client, key: &str) -> Result<u64, Failure> {
        let request = client.head_object().bucket(&self.bucket).key(self.full(key));
        let answer = self.bounded("get", key, 0, request.send()).await?;
        let head = answer.map_err(|error| explain("get", key, &self.bucket, &error))?;
        Ok(head.content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    async fn get_object(
        &self,
        client: Client,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, Failure> {
        if let Some(range) = &range {
            if range.start > range.end {
                return Err(out_of_range(key, range).into());
            }
            if range.is_empty() {
                within(key, Some(range.clone()), self.bytes_of(client, key).await?)?;
                return Ok(Bytes::new());
            }
        }
        let header = range.as_ref().map(|r| format!("bytes={}-{}", r.start, r.end - 1));
        let request = client.get_object().bucket(&self.bucket).key(self.full(key));
        let answer = self.bounded("get", key, 0, request.set_range(header).send()).await?;
        let object = answer.map_err(|error| match (&range, error.raw_response()) {
            (Some(range), Some(raw)) if raw.status().as_u16() == 416 => {
                out_of_range(key, range).into()
            }
            _ => explain("get", key, &self.bucket, &error),
        })?;
        let bytes = promised_bytes(key, range.as_ref(), &object)?;
        let body = self.bounded("get", key, bytes.unwrap_or(0), object.body.collect()).await?;
        let body = body.map_err(|error| {
            StoreError::transient("get", key, format!("the body broke off: {error}"))
        })?;
        let body = body.into_bytes();
        match bytes {
            Some(bytes) if bytes != body.len() as u64 => {
                let reason = format!("{} bytes came instead of {bytes}", body.len());
                Err(StoreError::transient("get", key, reason).into())
            }
            _ => Ok(body),
        }
    }

    async fn put_object(
        &self,
        client: Client,
        (key, body): (&str, Body),
        if_none_match: Option<String>,
    ) -> Result<(), Failure> {
        let bytes = body.bytes();
        if bytes > PUT_BYTES_MAX {
            let reason = format!("{bytes} bytes are more than S3 takes at once ({PUT_BYTES_MAX})");
            return Err(StoreError::refused("put", key, reason).into());
        }
        let stream = match body {
            Body::Bytes(bytes) => ByteStream::from(bytes),
            Body::File(path) => {
                let stream = ByteStream::read_from().path(&path).build().await;
                stream.map_err(|error| {
                    let reason = format!("cannot read `{}`: {error}", path.display());
                    StoreError::refused("put", key, reason)
                })?
            }
        };
        let request = client.put_object().bucket(&self.bucket).key(self.full(key));
        let request = request.body(stream).set_if_none_match(if_none_match);
        let answer = self.bounded("put", key, bytes, request.send()).await?;
        answer.map(drop).map_err(|error| explain("put", key, &self.bucket, &error))
    }

    async fn delete_object(&self, client: Client, key: &str) -> Result<(), Failure> {
        let request = client.delete_object().bucket(&self.bucket).key(self.full(key));
        let answer = self.bounded("delete", key, 0, request.send()).await?;
        answer.map(drop).map_err(|error| explain("delete", key, &self.bucket, &error))
    }

    /// Objects of one page, and where the next one begins.
    async fn list_page(
        &self,
        client: Client,
        (prefix, token): (&str, Option<String>),
        keys_max: i32,
    ) -> Result<(Vec<ObjectInfo>, Option<String>), Failure> {
        let request = client.list_objects_v2().bucket(&self.bucket);
        let request = request.prefix(self.full(prefix)).max_keys(keys_max);
        let request = request.set_continuation_token(token);
        let answer = self.bounded("list", prefix, 0, request.send()).await?;
        let page = answer.map_err(|error| explain("list", prefix, &self.bucket, &error))?;
        let next = match (page.is_truncated, page.next_continuation_token) {
            (Some(true), Some(token)) => Some(token),
            (Some(true), None) => {
                let reason = "the server did not say where the next page begins";
                return Err(StoreError::transient("list", prefix, reason).into());
            }
            _ => None,
        };
        let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let key = object.key?.strip_prefix(&self.prefix)?.to_owned();
            let bytes = u64::try_from(object.size?).ok()?;
            // What others put into the bucket under names of their own is none of ours.
            check_key("list", &key).ok().map(|()| ObjectInfo { key, bytes })
        });
        Ok((objects.collect(), next))
    }
}

/// How long the body will be; an error when the server sends something else than was asked for.
fn promised_bytes(
    key: &str,
    range: Option<&Range<u64>>,
    object: &GetObjectOutput,
) -> Result<Option<u64>, StoreError> {
    let length = object.content_length.and_then(|n| u64::try_from(n).ok());
    let Some(range) = range else { return Ok(length) };
    let wanted = range.end - range.start;
    match &object.content_range {
        Some(sent) => {
            let (bytes, total) = sent.rsplit_once('/').unwrap_or((sent, ""));
            if total.parse::<u64>().is_ok_and(|total| range.end > total) {
                return Err(out_of_range(key, range));
            }
            let asked = format!("{}-{}", range.start, range.end - 1);
            if bytes.trim_start_matches("bytes").trim() != asked {
                let reason = format!("`{sent}` came instead of bytes {asked}");
                return Err(StoreError::transient("get", key, reason));
            }
            Ok(Some(wanted))
        }
        None if range.start == 0 && length == Some(wanted) => Ok(length),
        None => Err(StoreError::refused("get", key, "the server does not serve byte ranges")),
    }
}

impl ObjectStore for S3Store {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            check_key("get", key)?;
            self.asked(|client| self.get_object(client, key, range.clone())).await
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            self.asked(|client| self.put_object(client, (key, body.clone()), None)).await
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            // Servers that do not know conditional writes ignore the condition; looking first
            // keeps the promise there at least against objects that are there already.
            match self.asked(|client| self.bytes_of(client, key)).await {
                Ok(_) => return Err(StoreError::Exists { key: key.to_owned() }),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            let absent = || Some("*".to_owned());
            self.asked(|client| self.put_object(client, (key, body.clone()), absent())).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        Box::pin(async move {
            check_prefix("list", prefix)?;
            let mut found = Vec::new();
            let mut token = None;
            loop {
                let page =
                    |client| self.list_page(client, (prefix, token.clone()), self.list_keys_max);
                let (objects, next) = self.asked(page).await?;
                found.extend(objects);
                token = next;
                if token.is_none() {
                    found.sort_by(|a, b| a.key.cmp(&b.key));
                    return Ok(found);
                }
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("delete", key)?;
            match self.asked(|client| self.delete_object(client, key)).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn describe(&self) -> String {
        let place = format!("s3://{}/{}", self.bucket, self.prefix.trim_end_matches('/'));
        match self.endpoint.as_str() {
            "" => place,
            endpoint => format!("{place} at {endpoint}"),
        }
    }
}
