use proptest::prelude::*;

use super::*;

fn content(split: u64, span: &Span) -> Bytes {
    span.clone().map(|at| (at.wrapping_mul(7) ^ split.wrapping_mul(31)) as u8).collect()
}

fn id(split: u64) -> SplitId {
    SplitId::new(format!("S{split}"))
}

const LEN: u64 = 1000;

/// All files of the directory, as the sweep of a start finds them.
fn files(dir: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut out: Vec<_> = entries
        .map(|e| (e.file_name().into_string().unwrap(), e.metadata().unwrap().len()))
        .collect();
    out.sort();
    out
}

fn reopened(dir: &Path, bytes_max: u64) -> DiskCache {
    let cache = DiskCache::new(Kind::Ranges, dir, bytes_max);
    for (name, bytes) in files(dir) {
        assert!(cache.restore(Name::parse(&name).unwrap(), bytes), "{name}");
    }
    cache
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, Span),
    Whole(u64),
    Find(u64, u64),
    Forget(u64),
    Reopen,
    /// Damages the n-th file.
    Damage(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let span = (0..LEN - 1, 1..300u64).prop_map(|(at, len)| at..(at + len).min(LEN));
    prop_oneof![
        6 => (0..3u64, span).prop_map(|(split, span)| Step::Insert(split, span)),
        1 => (0..3u64).prop_map(Step::Whole),
        6 => (0..3u64, 0..LEN).prop_map(|(split, at)| Step::Find(split, at)),
        1 => (0..3u64).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
        1 => (0..20usize, 0..2000usize).prop_map(|(file, byte)| Step::Damage(file, byte)),
    ]
}

/// Takes over a file with the whole of an object.
fn adopt(cache: &DiskCache, dir: &Path, split: u64) {
    let built = dir.join("built");
    fs::write(&built, content(split, &(0..LEN))).unwrap();
    cache.adopt(&id(split), &built).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens: what is found is right, and the files are within the budget.
    #[test]
    fn never_a_wrong_byte_and_never_over_the_budget(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let most = 2500;
        let mut cache = DiskCache { maps_max: 3, ..DiskCache::new(Kind::Ranges, dir.path(), most) };
        // Readers hold what they were given.
        let mut held: Vec<(Bytes, Bytes)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(split, span) => {
                    let bytes = content(split, &span);
                    let kept = cache.insert(&id(split), (&span, LEN), &bytes).unwrap();
                    held.push((kept, bytes));
                }
                Step::Whole(split) => {
                    adopt(&cache, dir.path(), split);
                }
                Step::Find(split, at) => {
                    if let Some((span, bytes)) = cache.find(&id(split), at, LEN) {
                        prop_assert!(span.contains(&at));
                        let wanted = content(split, &span);
                        prop_assert!(bytes == wanted, "{span:?} of {split}");
                        held.push((bytes, wanted));
                    }
                }
                Step::Forget(split) => {
                    cache.forget(&id(split));
                    prop_assert!(cache.find(&id(split), 0, LEN).is_none());
                }
                Step::Reopen => {
                    cache = DiskCache { maps_max: 3, ..reopened(dir.path(), most) };
                }
                Step::Damage(file, byte) => {
                    // A whole object has no checksum here: its blocks have, for its reader.
                    let files = files(dir.path());
                    let files: Vec<_> =
                        files.iter().filter(|(name, _)| name.ends_with(".range")).collect();
                    if let Some((name, _)) = files.get(file) {
                        let path = dir.path().join(name);
                        let mut bytes = fs::read(&path).unwrap();
                        let at = byte % bytes.len();
                        bytes[at] ^= 0x10;
                        // As a file system's fault does it: not through a mapping of ours.
                        fs::remove_file(&path).unwrap();
                        fs::write(&path, &bytes).unwrap();
                    }
                }
            }
            let on_disk: u64 = files(dir.path()).iter().map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(cache.bytes(), on_disk);
            prop_assert!(on_disk <= most);
        }
        for (bytes, wanted) in &held {
            prop_assert!(bytes == wanted, "what readers hold stays as it was");
        }
    }
}

#[test]
fn the_least_recently_used_goes_first_and_readers_keep_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(Kind::Ranges, dir.path(), 3 * 128);
    for split in 0..3 {
        let bytes = content(split, &(0..100));
        cache.insert(&id(split), (&(0..100), LEN), &bytes).unwrap();
    }
    let (_, held) = cache.find(&id(1), 50, LEN).unwrap();
    cache.find(&id(0), 50, LEN).unwrap();
    cache.insert(&id(3), (&(0..100), LEN), &content(3, &(0..100))).unwrap();
    let there: Vec<u64> = (0..4).filter(|s| cache.find(&id(*s), 0, LEN).is_some()).collect();
    assert_eq!(there, [0, 1, 3], "2 was used longest ago");
    cache.insert(&id(4), (&(0..100), LEN), &content(4, &(0..100))).unwrap();
    cache.insert(&id(5), (&(0..100), LEN), &content(5, &(0..100))).unwrap();
    assert!(cache.find(&id(1), 0, LEN).is_none());
    assert_eq!(held, content(1, &(0..100)));
    assert_eq!(files(dir.path()).len(), 3);
}

#[test]
fn a_cut_file_and_one_of_an_older_object_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(Kind::Ranges, dir.path(), 1 << 20);
    cache.insert(&id(1), (&(0..100), LEN), &content(1, &(0..100))).unwrap();
    cache.insert(&id(1), (&(200..300), LEN), &content(1, &(200..300))).unwrap();
    adopt(&cache, dir.path(), 2);
    let path = dir.path().join("S1.0-100.range");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..60]).unwrap();
    let cache = DiskCache::new(Kind::Ranges, dir.path(), 1 << 20);
    let taken = |(name, bytes): (String, u64)| {
        (name.clone(), cache.restore(Name::parse(&name).unwrap(), bytes))
    };
    let taken: Vec<_> = files(dir.path()).into_iter().map(taken).collect();
    let named = |name: &str, kept| (name.to_owned(), kept);
    let wanted =
        [named("S1.0-100.range", false), named("S1.200-300.range", true), named("S2.split", true)];
    assert_eq!(taken, wanted);
    assert!(cache.find(&id(1), 250, LEN + 1).is_none(), "of an object of another length");
    assert!(cache.find(&id(2), 250, LEN + 1).is_none());
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn only_known_splits_are_retained_and_a_file_over_the_budget_is_not_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(Kind::Ranges, dir.path(), 1000);
    for split in 0..3 {
        cache.insert(&id(split), (&(0..100), LEN), &content(split, &(0..100))).unwrap();
    }
    cache.retain(&|split| *split == id(1));
    assert_eq!(files(dir.path()), [("S1.0-100.range".to_owned(), 128)]);
    let built = dir.path().join("built");
    fs::write(&built, vec![1; 2000]).unwrap();
    cache.adopt(&id(7), &built).unwrap();
    assert!(!built.exists() && cache.find(&id(7), 0, 2000).is_none());
    fs::write(&built, vec![1; 900]).unwrap();
    cache.adopt(&id(7), &built).unwrap();
    assert!(cache.find(&id(7), 899, 900).is_some());
    assert_eq!(files(dir.path()), [("S7.split".to_owned(), 900)]);
}
