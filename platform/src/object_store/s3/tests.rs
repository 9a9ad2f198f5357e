use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::object_store::conformance;
use crate::object_store::open::tests::settings;
use crate::object_store::{Kind, retrying};

const ACCESS_KEY: &str = "test-access";
const SECRET_KEY: &str = "test-secret";

/// An S3 server over `dir` with the bucket `logs`, until the runtime ends.
async fn serve(dir: &std::path::Path) -> SocketAddr {
    std::fs::create_dir_all(dir.join("logs")).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir).unwrap());
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let http = auto::Builder::new(TokioExecutor::new());
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
        Ok::<_, Infallible>(())
    });
    address
}

fn s3_settings(address: SocketAddr) -> Settings {
    Settings {
        kind: Kind::S3,
        bucket: "logs".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: format!("http://{address}"),
        ..settings()
    }
}

/// The store of `settings` with the test's credentials, and small pages.
async fn store(settings: &Settings) -> S3Store {
    S3Store { list_keys_max: 4, ..S3Store::with_keys(settings, ACCESS_KEY, SECRET_KEY).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let dir = tempfile::tempdir().unwrap();
    let address = serve(dir.path()).await;
    conformance::check(&store(&s3_settings(address)).await).await;
    let below = Settings { prefix: "prod/eu".to_owned(), ..s3_settings(address) };
    let below = store(&below).await;
    below.put("splits/a", Body::Bytes("x".into())).await.unwrap();
    assert!(dir.path().join("logs/prod/eu/splits/a").exists());
    let listed = below.list("splits/").await.unwrap();
    assert_eq!(listed, [ObjectInfo { key: "splits/a".to_owned(), bytes: 1 }]);
    below.delete("splits/a").await.unwrap();
    conformance::check(&below).await;
    assert_eq!(below.describe(), format!("s3://logs/prod/eu at http://{address}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let address = serve(dir.path()).await;
    let no_bucket = Settings { bucket: "absent".to_owned(), ..s3_settings(address) };
    let error = store(&no_bucket).await.look().await.unwrap_err().to_string();
    assert!(error.contains("bucket `absent` does not exist; create it"), "{error}");

    let settings = s3_settings(address);
    let stranger = S3Store::with_keys(&settings, "stranger", SECRET_KEY).await;
    let error = stranger.look().await.unwrap_err().to_string();
    assert!(error.contains("check AWS_ACCESS_KEY_ID") || error.contains("may not"), "{error}");
}

/// A server that answers every request with the same bytes and closes.
async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 64 * 1024];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    address
}

macro_rules! error_answer {
    ($status:literal, $code:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            " X\r\nconnection: close\r\n\r\n",
            "<?xml version=\"1.0\"?><Error><Code>",
            $code,
            "</Code><Message>why</Message></Error>"
        )
    };
}

fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotFound { .. } => "not found",
        StoreError::Exists { .. } => "exists",
        StoreError::Range { .. } => "range",
        StoreError::Refused { .. } => "refused",
        StoreError::Transient { .. } => "transient",
    }
}

#[tokio::test]
async fn errors_of_the_server_are_told_apart() {
    let cases = [
        (error_answer!("404", "NoSuchKey"), "not found", ""),
        (error_answer!("404", "NoSuchBucket"), "refused", "create it"),
        (error_answer!("403", "AccessDenied"), "refused", "ListBucket"),
        (error_answer!("403", "InvalidAccessKeyId"), "refused", "AWS_ACCESS_KEY_ID"),
        (error_answer!("400", "ExpiredToken"), "refused", "AWS_ACCESS_KEY_ID"),
        (error_answer!("301", "PermanentRedirect"), "refused", "store.region"),
        (error_answer!("403", "RequestTimeTooSkewed"), "refused", "clock"),
        (error_answer!("501", "NotImplemented"), "refused", "does not know"),
        (error_answer!("416", "InvalidRange"), "range", "bytes 2..5"),
        (error_answer!("503", "SlowDown"), "transient", "SlowDown: why"),
        (error_answer!("500", "InternalError"), "transient", "500"),
        (error_answer!("429", "TooManyRequests"), "transient", "429"),
        (error_answer!("400", "RequestTimeout"), "transient", "RequestTimeout"),
        ("HTTP/1.1 502 X\r\nconnection: close\r\n\r\n<html>proxy</html>", "transient", "502"),
        ("", "transient", ""),
        ("not http at all\r\n\r\n", "transient", ""),
        (
            "HTTP/1.1 206 X\r\ncontent-range: bytes 2-4/9\r\ncontent-length: 3\r\n\r\nab",
            "transient",
            "broke off",
        ),
        (
            "HTTP/1.1 206 X\r\ncontent-range: bytes 2-3/4\r\ncontent-length: 2\r\n\r\nab",
            "range",
            "",
        ),
        (
            "HTTP/1.1 206 X\r\ncontent-range: bytes 2-4/9\r\ncontent-length: 2\r\n\r\nab",
            "transient",
            "2 bytes came instead of 3",
        ),
        (
            "HTTP/1.1 206 X\r\ncontent-range: bytes 3-5/9\r\ncontent-length: 3\r\n\r\nbcd",
            "transient",
            "`bytes 3-5/9` came instead of bytes 2-4",
        ),
        ("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n123456789", "refused", "byte ranges"),
    ];
    for (answer, expected, words) in cases {
        let store = store(&s3_settings(answering(answer).await)).await;
        let error = store.get("some/key", Some(2..5)).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{answer}\n{error:?}");
        assert!(error.to_string().contains(words), "{answer}\n{error}");
    }
}

/// What a scripted server does with a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Bytes(&'static str),
    /// Closes at once; unread bytes make it a reset.
    Reset,
    /// Keeps the connection and says nothing.
    Stall,
}

const GOOD: Answer = Answer::Bytes(
    "HTTP/1.1 206 X\r\nconnection: close\r\ncontent-range: bytes 2-4/9\r\n\
     content-length: 3\r\n\r\nabc",
);

/// A server that does what `script` says to each request: its number and its text.
async fn scripted(
    script: impl Fn(usize, &str) -> Answer + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    tokio::spawn(async move {
        let mut stalled = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let read = socket.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            match script(count.fetch_add(1, Ordering::SeqCst), &text) {
                Answer::Bytes(answer) => {
                    let _ = socket.write_all(answer.as_bytes()).await;
                    let _ = socket.shutdown().await;
                }
                Answer::Reset => {}
                Answer::Stall => stalled.push(socket),
            }
        }
    });
    (address, requests)
}

#[tokio::test]
async fn every_fault_of_a_server_is_tried_again_to_success_or_told() {
    let faults = [
        (Answer::Bytes(error_answer!("503", "SlowDown")), true),
        (Answer::Bytes(error_answer!("429", "TooManyRequests")), true),
        (Answer::Bytes(error_answer!("500", "InternalError")), true),
        (Answer::Reset, true),
        (Answer::Stall, true),
        (
            Answer::Bytes(
                "HTTP/1.1 206 X\r\ncontent-range: bytes 2-4/9\r\ncontent-length: 3\r\n\r\na",
            ),
            true,
        ),
        (
            Answer::Bytes(
                "HTTP/1.1 206 X\r\ncontent-range: bytes 0-2/9\r\ncontent-length: 3\r\n\r\nyza",
            ),
            true,
        ),
        (Answer::Bytes(error_answer!("400", "ExpiredToken")), false),
        (Answer::Bytes(error_answer!("403", "AccessDenied")), false),
        (Answer::Bytes(error_answer!("404", "NoSuchKey")), false),
    ];
    let ms = Duration::from_millis;
    let policy = retrying::Policy { retries_max: 3, pause_first: ms(1), pause_max: ms(1) };
    for (fault, passes) in faults {
        let (address, requests) =
            scripted(move |number, _| if number < 3 { fault } else { GOOD }).await;
        let request_timeout_ms = if matches!(fault, Answer::Stall) { 1_000 } else { 30_000 };
        let settings = Settings { request_timeout_ms, ..s3_settings(address) };
        let store = retrying::Retrying::new(Arc::new(store(&settings).await), policy);
        let got = store.get("some/key", Some(2..5)).await;
        let requests = requests.load(Ordering::SeqCst);
        match passes {
            true => {
                assert_eq!(got.unwrap(), "abc", "{fault:?}");
                assert_eq!(requests, 4, "{fault:?}");
            }
            false => {
                let error = got.unwrap_err();
                assert!(!error.is_transient() && error.to_string().contains("some/key"));
                assert!(requests <= 2, "{fault:?}: {requests}");
            }
        }
    }
}

/// The default profile of a file, as the standard chain reads it.
#[expect(deprecated, reason = "the newer names are in a crate that the SDK does not re-export")]
fn profile(file: std::path::PathBuf) -> Credentials {
    use aws_config::profile::ProfileFileCredentialsProvider;
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    Credentials::Made(Arc::new(move || {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_config::provider_config::ProviderConfig::without_region();
        let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, &file);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&config.with_http_client(http))
            .profile_files(files.build());
        aws_sdk_s3::config::SharedCredentialsProvider::new(provider.build())
    }))
}

#[tokio::test]
async fn renewed_credentials_are_read_from_their_file_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    let write = |key: &str| {
        let text = format!(
            "[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n\
             aws_session_token = token-of-{key}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let good: Arc<Mutex<&str>> = Arc::new(Mutex::new("FIRST"));
    let now = good.clone();
    let (address, requests) = scripted(move |_, request| {
        match request.contains(&format!("Credential={}/", now.lock().unwrap())) {
            true => GOOD,
            false => Answer::Bytes(error_answer!("400", "ExpiredToken")),
        }
    })
    .await;
    write("FIRST");
    let settings = s3_settings(address);
    let store = S3Store::with_credentials(&settings, profile(file.clone())).await;
    assert_eq!(store.get("a", Some(2..5)).await.unwrap(), "abc");
    *good.lock().unwrap() = "SECOND";
    let error = store.get("a", Some(2..5)).await.unwrap_err();
    assert!(error.to_string().contains("ExpiredToken"), "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 3, "once with the old, once with those read anew");
    write("SECOND");
    assert_eq!(store.get("a", Some(2..5)).await.unwrap(), "abc");
    assert_eq!(store.get("a", Some(2..5)).await.unwrap(), "abc");
    assert_eq!(requests.load(Ordering::SeqCst), 6, "the new ones stay in use");
    // Without any, and then with them.
    std::fs::write(&file, "").unwrap();
    let store = S3Store::with_credentials(&settings, profile(file.clone())).await;
    let error = store.get("a", Some(2..5)).await.unwrap_err();
    assert!(error.to_string().contains("no credentials were found"), "{error}");
    write("SECOND");
    assert_eq!(store.get("a", Some(2..5)).await.unwrap(), "abc");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(listener.accept().await.unwrap().0);
        }
        open
    });
    let settings = Settings { request_timeout_ms: 50, ..s3_settings(address) };
    let policy = retrying::Policy {
        retries_max: 2,
        pause_first: Duration::from_millis(1),
        pause_max: Duration::from_millis(1),
    };
    let store = retrying::Retrying::new(Arc::new(store(&settings).await), policy);
    let error = store.put("a", Body::Bytes("x".into())).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("50ms"), "{error}");
    assert_eq!(accepted.await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_dead_bucket_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = store(&s3_settings(address)).await.list("").await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().len() < 400, "readable: {error}");
}
