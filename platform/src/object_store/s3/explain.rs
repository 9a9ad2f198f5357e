//! What does an S3 server's error mean? Its kind for the caller, and what a person should do.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::object_store::StoreError;

/// Why a request failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the caller.
    pub(super) error: StoreError,
    /// Others may be good where these credentials are not, or no longer.
    pub(super) stale_credentials: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, stale_credentials: false }
    }
}

/// What an SDK error means.
pub(super) fn explain<E>(
    operation: &'static str,
    key: &str,
    bucket: &str,
    error: &SdkError<E, HttpResponse>,
) -> Failure
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    let stale_credentials = match (status, error.code().unwrap_or_default()) {
        (_, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired")
        | (_, "InvalidToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch")
        // Answers to HEAD have no code.
        | (Some(401), _)
        | (Some(400 | 403), "") => true,
        (Some(_), _) => false,
        (None, _) => without_credentials(error),
    };
    Failure { error: kind(operation, key, bucket, error), stale_credentials }
}

/// None were found; they may have been put there since.
fn without_credentials<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: std::error::Error + 'static,
{
    matches!(error, SdkError::DispatchFailure(_))
        && DisplayErrorContext(error).to_string().contains("CredentialsNotLoaded")
}

/// The kind of an SDK error, with the server's own words and the remedy.
fn kind<E>(
    operation: &'static str,
    key: &str,
    bucket: &str,
    error: &SdkError<E, HttpResponse>,
) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let Some(status) = error.raw_response().map(|raw| raw.status().as_u16()) else {
        return without_response(operation, key, error);
    };
    let code = error.code().unwrap_or_default();
    let said = match (code, error.message()) {
        ("", _) => format!("status {status}"),
        (code, None) => format!("status {status}, {code}"),
        (code, Some(message)) => format!("status {status}, {code}: {message}"),
    };
    let remedy = match (status, code) {
        (_, "NoSuchBucket") => {
            format!("bucket `{bucket}` does not exist; create it or correct `store.bucket`")
        }
        (404, _) => return StoreError::NotFound { key: key.to_owned() },
        (412, _) => return StoreError::Exists { key: key.to_owned() },
        (_, "RequestTimeTooSkewed") => "this machine's clock is wrong; set it".to_owned(),
        (
            _,
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired",
        )
        | (_, "InvalidToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch")
        | (401, _) => "these credentials are not good here; check AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY, or the profile or role in use"
            .to_owned(),
        (403, _) => format!(
            "the credentials may not do this; allow s3:GetObject, PutObject, DeleteObject and \
             ListBucket on bucket `{bucket}`"
        ),
        (301 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed") => {
            "the bucket lies in another region; correct `store.region` or `store.endpoint`"
                .to_owned()
        }
        (408 | 409 | 425 | 429 | 500 | 502..=504, _) | (_, "RequestTimeout" | "SlowDown") => {
            return StoreError::transient(operation, key, said);
        }
        (501, _) => "the server does not know this request".to_owned(),
        (505.., _) => return StoreError::transient(operation, key, said),
        // An answer that is no S3 error although the status is good: a proxy, a cut-off body.
        (..=399, _) => return StoreError::transient(operation, key, said),
        _ => return StoreError::refused(operation, key, said),
    };
    StoreError::refused(operation, key, format!("{said}; {remedy}"))
}

fn without_response<E>(
    operation: &'static str,
    key: &str,
    error: &SdkError<E, HttpResponse>,
) -> StoreError
where
    E: std::error::Error + 'static,
{
    let chain = DisplayErrorContext(error).to_string();
    // The debug form of the whole chain follows the readable one in brackets.
    let readable = chain.rsplit_once(" (").map_or(chain.as_str(), |(readable, _)| readable);
    match error {
        SdkError::DispatchFailure(_) if without_credentials(error) => {
            let reason = "no credentials were found; set AWS_ACCESS_KEY_ID and \
                          AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role";
            StoreError::refused(operation, key, reason)
        }
        SdkError::ConstructionFailure(_) => StoreError::refused(operation, key, readable),
        _ => StoreError::transient(operation, key, readable),
    }
}
