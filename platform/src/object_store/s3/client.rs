//! With which credentials, and how, is an S3 server spoken to? The SDK's client, and a new one when
//! its credentials are no longer good.
//!
//! Credentials come from the SDK's standard chain: environment, profile, web identity, ECS, IMDS.
//! The chain asks again by itself before credentials expire whose end it knows, but reads a
//! profile's file only once: a new client reads it again. TLS is rustls with ring and the system's
//! certificates (`SSL_CERT_FILE` names others).

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
#[cfg(any(test, feature = "conformance"))]
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::object_store::Settings;

const REGION_DEFAULT: &str = "us-east-1";

/// Where credentials come from.
#[derive(Clone)]
pub(super) enum Credentials {
    /// The standard chain.
    Standard,
    /// What this gives, anew for each client: for tests, which share one environment.
    #[cfg(any(test, feature = "conformance"))]
    Made(std::sync::Arc<dyn Fn() -> SharedCredentialsProvider + Send + Sync>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The client in use.
#[derive(Debug)]
pub(super) struct Clients {
    settings: Settings,
    credentials: Credentials,
    /// The client, and how many there were before it.
    current: Mutex<(u64, Client)>,
    /// Held while a new one is made, so that one is enough for all that need it.
    renewing: tokio::sync::Mutex<()>,
}

impl Clients {
    pub(super) async fn new(settings: &Settings, credentials: Credentials) -> Self {
        let client = connect(settings, &credentials).await;
        Self {
            settings: settings.clone(),
            credentials,
            current: Mutex::new((0, client)),
            renewing: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Client)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, and its generation.
    pub(super) fn current(&self) -> (u64, Client) {
        self.lock().clone()
    }

    /// A client newer than `generation`, with credentials read anew.
    pub(super) async fn renewed(&self, generation: u64) -> Client {
        let _renewing = self.renewing.lock().await;
        let (now, client) = self.current();
        if now > generation {
            return client;
        }
        let client = connect(&self.settings, &self.credentials).await;
        *self.lock() = (now + 1, client.clone());
        client
    }
}

async fn connect(settings: &Settings, credentials: &Credentials) -> Client {
    let tls =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let https: SharedHttpClient = tls.build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https.clone());
    let mut loader = match credentials {
        Credentials::Standard => loader,
        #[cfg(any(test, feature = "conformance"))]
        Credentials::Made(make) => loader.credentials_provider(make()),
    };
    if !settings.region.is_empty() {
        loader = loader.region(Region::new(settings.region.clone()));
    }
    let shared = loader.load().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
        .build();
    let region = shared.region().cloned().unwrap_or(Region::from_static(REGION_DEFAULT));
    let mut config = Builder::from(&shared)
        .region(region)
        .force_path_style(settings.path_style)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if !settings.endpoint.is_empty() {
        // The newer checksum trailers are AWS's own; other servers stumble over them. What we
        // store carries checksums itself.
        config = config
            .endpoint_url(&settings.endpoint)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    if settings.endpoint.starts_with("http://") {
        config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
    }
    Client::from_conf(config.build())
}
