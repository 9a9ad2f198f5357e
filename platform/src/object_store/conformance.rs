//! What must every object store do? One suite, run on each implementation by the tests.
//!
//! Each check uses keys below `conformance/`, which must be free, and leaves nothing behind.

use std::fs;
use std::ops::Range;

use bytes::Bytes;

use super::{Body, ObjectInfo, ObjectStore, StoreError};

const PREFIX: &str = "conformance/";

fn text(text: &'static str) -> Body {
    Body::Bytes(Bytes::from_static(text.as_bytes()))
}

/// Runs every check but [`check_race`].
///
/// # Panics
/// When the store does not do what it must.
pub async fn check(store: &dyn ObjectStore) {
    whole_objects(store).await;
    ranges(store).await;
    files(store).await;
    absent_only(store).await;
    listing(store).await;
    bad_keys(store).await;
    assert!(!store.describe().is_empty());
    assert_eq!(store.list(PREFIX).await.expect("list"), vec![], "left behind");
}

async fn whole_objects(store: &dyn ObjectStore) {
    let key = "conformance/whole/one.bin";
    assert!(matches!(store.get(key, None).await, Err(StoreError::NotFound { key: k }) if k == key));
    store.delete(key).await.expect("deleting what is not there is fine");
    store.put(key, text("first")).await.expect("put");
    assert_eq!(store.get(key, None).await.expect("get"), "first");
    store.put(key, text("the second")).await.expect("put over it");
    assert_eq!(store.get(key, None).await.expect("get"), "the second");
    store.put(key, text("")).await.expect("put nothing");
    assert_eq!(store.get(key, None).await.expect("get"), "");
    let large: Bytes = (0..3_000_000_u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    store.put(key, Body::Bytes(large.clone())).await.expect("put 3 MB");
    assert!(store.get(key, None).await.expect("get") == large, "3 MB come back as they went");
    if let Some(path) = store.local_path(key) {
        assert!(fs::read(path).expect("the local file") == large);
    }
    store.delete(key).await.expect("delete");
    assert!(matches!(store.get(key, None).await, Err(StoreError::NotFound { .. })));
}

async fn ranges(store: &dyn ObjectStore) {
    let key = "conformance/ranges";
    store.put(key, text("0123456789")).await.expect("put");
    let good: [(Range<u64>, &str); 5] =
        [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (4..4, "")];
    for (range, expected) in good {
        let got = store.get(key, Some(range.clone())).await;
        assert_eq!(got.expect("in range"), expected, "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "what a careless caller may ask for")]
    let bad = [0..11, 9..12, 10..11, 100..200, 11..11, 7..3];
    for range in bad {
        let got = store.get(key, Some(range.clone())).await;
        let named = matches!(&got, Err(StoreError::Range { key: k, from, to })
            if k == key && (*from, *to) == (range.start, range.end));
        assert!(named, "{range:?} gave {got:?}");
    }
    store.delete(key).await.expect("delete");
    let gone = store.get(key, Some(0..1)).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
}

async fn files(store: &dyn ObjectStore) {
    let key = "conformance/files/a";
    let path = std::env::temp_dir()
        .join(format!("conformance-{}", crate::rng::ulid(0, &crate::rng::SystemRng)));
    let content: Vec<u8> = (0..1_500_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(&path, &content).expect("write the source");
    store.put(key, Body::File(path.clone())).await.expect("put a file");
    assert!(path.exists(), "the file stays where it is");
    fs::remove_file(&path).expect("remove the source");
    assert!(store.get(key, None).await.expect("get") == content);
    let missing = store.put(key, Body::File(path)).await;
    assert!(missing.is_err() && !matches!(missing, Err(StoreError::NotFound { .. })));
    assert!(store.get(key, None).await.expect("the older one stays") == content);
    store.delete(key).await.expect("delete");
}

async fn absent_only(store: &dyn ObjectStore) {
    let key = "conformance/absent";
    store.put_if_absent(key, text("first")).await.expect("nothing there");
    let second = store.put_if_absent(key, text("second")).await;
    assert!(matches!(second, Err(StoreError::Exists { key: k }) if k == key));
    assert_eq!(store.get(key, None).await.expect("get"), "first");
    store.delete(key).await.expect("delete");
    store.put_if_absent(key, text("third")).await.expect("free again");
    assert_eq!(store.get(key, None).await.expect("get"), "third");
    store.delete(key).await.expect("delete");
}

async fn listing(store: &dyn ObjectStore) {
    let mut keys: Vec<String> = (0..25).map(|i| format!("conformance/list/x/{i:02}")).collect();
    keys.extend(["conformance/list/w".to_owned(), "conformance/list/x-y".to_owned()]);
    keys.sort();
    for key in keys.iter().rev() {
        store.put(key, Body::Bytes(Bytes::from(vec![b'.'; key.len()]))).await.expect("put");
    }
    let with = |prefix: &str| -> Vec<ObjectInfo> {
        let found = keys.iter().filter(|k| k.starts_with(prefix));
        found.map(|k| ObjectInfo { key: k.clone(), bytes: k.len() as u64 }).collect()
    };
    for prefix in ["list/", "list/x", "list/x/", "list/x/1", "list/x/07", "list/none", "list/x/07/"]
    {
        let prefix = format!("{PREFIX}{prefix}");
        assert_eq!(store.list(&prefix).await.expect("list"), with(&prefix), "{prefix}");
    }
    for key in &keys {
        store.delete(key).await.expect("delete");
    }
}

async fn bad_keys(store: &dyn ObjectStore) {
    for key in ["", "/etc/passwd", "../up", "conformance/../../up", "a b", ".hidden", "dir/"] {
        let refused = [
            store.get(key, None).await.err(),
            store.put(key, text("x")).await.err(),
            store.put_if_absent(key, text("x")).await.err(),
            store.delete(key).await.err(),
        ];
        for error in refused {
            let refused =
                matches!(&error, Some(StoreError::Refused { reason, .. }) if !reason.is_empty());
            assert!(refused, "`{key}` gave {error:?}");
        }
        assert!(store.local_path(key).is_none(), "`{key}`");
    }
    assert!(matches!(store.list("../").await, Err(StoreError::Refused { .. })));
}

/// Of many writers of one absent object exactly one wins. For stores that promise it by
/// themselves; some S3 servers do not.
///
/// # Panics
/// When two writers win, or none.
pub async fn check_race<S: ObjectStore + Clone + 'static>(store: &S) {
    for round in 0..20 {
        let key = format!("conformance/race/{round}");
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (store, key) = (store.clone(), key.clone());
            writers.spawn(async move {
                let body = Body::Bytes(Bytes::from(format!("writer {writer}")));
                (writer, store.put_if_absent(&key, body).await)
            });
        }
        let mut winners = Vec::new();
        for (writer, answer) in writers.join_all().await {
            match answer {
                Ok(()) => winners.push(writer),
                Err(StoreError::Exists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let kept = store.get(&key, None).await.expect("get");
        assert_eq!(kept, format!("writer {}", winners[0]));
        store.delete(&key).await.expect("delete");
    }
}
