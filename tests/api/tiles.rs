//! Tiles and bundles of entries: what is served is what a plain computation over the entries gives, and nothing else is.

use crate::client::Answer;
use crate::harness::{Kind, NOON_MS, Party, TestApp, TestDatabase, both_databases, laptop_fields, new_id, signed};
use crate::process::run;
use loopledger::ledger::opening::Sharing;
use loopledger::ledger::tree::EntriesFor;
use loopledger::store::DatabaseUrl;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

/// RFC 6962 §2.1, as it is written.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = (root(&leaves[..middle]), root(&leaves[middle..]));
            Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

/// What C2SP tlog-tiles demands, computed from nothing but the entries.
pub struct Expected {
    entries: Vec<Vec<u8>>,
    /// Hashes by level.
    levels: Vec<Vec<[u8; 32]>>,
}

impl Expected {
    /// Reads every entry that a checkpoint covers, one by one.
    pub fn read(app: &TestApp, size: u64) -> Self {
        let entry = |index| {
            let answer = app.get(&format!("/v1/entries/{index}"), &app.operator.token);
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.bytes
        };
        Self::of((0..size).map(entry).collect())
    }

    fn of(entries: Vec<Vec<u8>>) -> Self {
        let leaf = |entry: &Vec<u8>| Sha256::new().chain_update([0]).chain_update(entry).finalize().into();
        let mut levels: Vec<Vec<[u8; 32]>> = vec![entries.iter().map(leaf).collect()];
        while levels.last().is_some_and(|level| level.len() >= 256) {
            let below = levels.last().expect("a level");
            levels.push(below.chunks_exact(256).map(root).collect());
        }
        Self { entries, levels }
    }

    pub fn root(&self) -> [u8; 32] {
        root(&self.levels[0])
    }

    /// Every tile of the tree at this size, full or at the right edge: path and bytes.
    pub fn tiles(&self) -> Vec<(String, Vec<u8>)> {
        let mut tiles = Vec::new();
        for (level, hashes) in self.levels.iter().enumerate() {
            for (n, chunk) in hashes.chunks(256).enumerate() {
                tiles.push((place(&level.to_string(), n, chunk.len()), chunk.concat()));
            }
        }
        tiles
    }

    /// Every bundle likewise.
    pub fn bundles(&self) -> Vec<(String, Vec<u8>)> {
        let chunks = self.entries.chunks(256).enumerate();
        chunks.map(|(n, chunk)| (place("entries", n, chunk.len()), bundle(chunk))).collect()
    }
}

fn place(level: &str, n: usize, width: usize) -> String {
    assert!(n < 1_000, "one group of digits");
    let ending = if width == 256 { String::new() } else { format!(".p/{width}") };
    format!("tile/{level}/{n:03}{ending}")
}

fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let length = |entry: &Vec<u8>| u16::try_from(entry.len()).expect("16 bits").to_be_bytes();
    entries.iter().flat_map(|entry| [length(entry).as_slice(), entry].concat()).collect()
}

/// A service whose entries anybody may read.
pub fn public() -> Sharing {
    Sharing { entries_for: EntriesFor::Public, mirror: None }
}

/// Adds some entries and waits until they are published.
pub fn grow(app: &TestApp, party: &Party, count: usize) -> u64 {
    let batch: Vec<_> = (0..count).map(|_| signed(party, "registered", &laptop_fields(&new_id()))).collect();
    assert_eq!(app.post_batch(&party.token, "all", &batch).status, 200);
    app.wait_for_checkpoint()
}

fn log(app: &TestApp, path: &str, token: &str) -> Answer {
    app.get(&format!("/log/{path}"), token)
}

#[track_caller]
fn serves(app: &TestApp, path: &str, bytes: &[u8]) {
    let answer = log(app, path, &app.operator.token);
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/octet-stream"), "{path}");
    assert!(answer.bytes == bytes, "{path} has other bytes");
}

both_databases! {
    /// At each of several checkpoints, every tile and bundle that its tree has; at the end every width that there ever was.
    fn what_is_served_is_what_the_entries_make(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        for count in [1, 251, 1, 1, 100, 200] {
            let size = grow(&app, &donor, count);
            let expected = Expected::read(&app, size);
            for (path, bytes) in expected.tiles().into_iter().chain(expected.bundles()) {
                serves(&app, &path, &bytes);
            }
        }
        let expected = Expected::read(&app, app.wait_for_checkpoint());
        assert!(expected.entries.len() > 512 && expected.levels[1].len() == 2);
        for (level, hashes) in expected.levels.iter().enumerate() {
            for (n, chunk) in hashes.chunks(256).enumerate() {
                for width in 1..=chunk.len() {
                    serves(&app, &place(&level.to_string(), n, width), &chunk[..width].concat());
                }
            }
        }
        for (n, chunk) in expected.entries.chunks(256).enumerate() {
            for width in (1..=chunk.len()).step_by(17) {
                serves(&app, &place("entries", n, width), &bundle(&chunk[..width]));
            }
        }
    }

    fn tiles_that_do_not_exist(kind) {
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = grow(&app, &donor, 253);
        assert_eq!(size, 256);
        let table = [
            ("tile/0/001", 404, "not_found"),
            ("tile/0/001.p/1", 404, "not_found"),
            ("tile/1/000", 404, "not_found"),
            ("tile/1/000.p/2", 404, "not_found"),
            ("tile/2/000.p/1", 404, "not_found"),
            ("tile/63/000.p/1", 404, "not_found"),
            ("tile/0/x036/x028/x797/x018/x963/967", 404, "not_found"),
            ("tile/entries/001.p/1", 404, "not_found"),
            ("tile/entries/x999/000", 404, "not_found"),
            ("tile/64/000", 400, "tile_path_invalid"),
            ("tile/00/000", 400, "tile_path_invalid"),
            ("tile/8/0/000", 400, "tile_path_invalid"),
            ("tile/-1/000", 400, "tile_path_invalid"),
            ("tile/x/000", 400, "tile_path_invalid"),
            ("tile/0/0", 400, "tile_path_invalid"),
            ("tile/0/000/", 400, "tile_path_invalid"),
            ("tile/0/x000/000", 400, "tile_path_invalid"),
            ("tile/0/%30%30%30", 400, "tile_path_invalid"),
            ("tile/0/000.p/0", 400, "tile_path_invalid"),
            ("tile/0/000.p/256", 400, "tile_path_invalid"),
            ("tile/0/000.p/01", 400, "tile_path_invalid"),
            ("tile/0/x999/x999/x999/x999/x999/x999/x999/999", 400, "tile_path_invalid"),
            ("tile/entries/000.p/256", 400, "tile_path_invalid"),
            ("tile/entries/0000", 400, "tile_path_invalid"),
            ("tile/0", 404, "not_found"),
            ("tile", 404, "not_found"),
        ];
        for (path, status, code) in table {
            let answer = log(&app, path, &app.operator.token);
            answer.refused(status, code, "");
            assert_eq!(answer.cache_control, "no-store", "what is not there yet must not be remembered: {path}");
        }
        assert_eq!(log(&app, "tile/0/000", "").status, 200);
        assert_eq!(log(&app, "tile/1/000.p/1", "").status, 200);
    }

    /// Hash tiles are for anybody; entries for auditors, unless the service says otherwise.
    fn who_may_read_what_and_who_may_keep_it(kind) {
        const FOR_EVER: &str = "public, max-age=31536000, immutable";
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = app.wait_for_checkpoint();
        let (tile, bundle) = (format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}"));
        let auditor = app.token(&donor.id, &["audit"]);
        assert_eq!(log(&app, "checkpoint", "").cache_control, "no-cache");
        assert_eq!(log(&app, &tile, "").cache_control, FOR_EVER);
        log(&app, &bundle, "").refused(401, "token_invalid", "");
        log(&app, &bundle, "nonsense").refused(401, "token_invalid", "");
        log(&app, &bundle, &donor.token).refused(403, "scope_missing", "");
        let read = log(&app, &bundle, &auditor);
        assert_eq!((read.status, read.cache_control.as_str()), (200, "private, no-store"));
        let database = app.stop();
        let app = TestApp::start_sharing(database, NOON_MS, public());
        let read_by_anybody = log(&app, &bundle, "");
        assert_eq!((read_by_anybody.status, read_by_anybody.cache_control.as_str()), (200, FOR_EVER));
        assert!(read_by_anybody.bytes == read.bytes);
    }

    /// Before anything is signed there is no tile; a node without the checkpoint key serves what its publisher has shown,
    /// and a halted one goes on serving.
    fn nodes_that_do_not_publish(kind) {
        let app = TestApp::unpublished(kind);
        app.get("/log/tile/0/000.p/1", "").refused(404, "not_found", "");
        drop(app);
        let app = TestApp::start(kind);
        let donor = app.join(&["donor"]);
        let size = grow(&app, &donor, 300);
        let expected = Expected::read(&app, size);
        app.ledger.health.halt("a test halted it");
        for (path, bytes) in expected.tiles().into_iter().chain(expected.bundles()) {
            serves(&app, &path, &bytes);
        }
        let (now_ms, token) = (Arc::clone(&app.now_ms), app.operator.token.clone());
        let follower = TestApp::follower_of(app.stop(), now_ms, token);
        for (path, bytes) in expected.tiles().into_iter().chain(expected.bundles()) {
            serves(&follower, &path, &bytes);
        }
        log(&follower, &format!("tile/0/001.p/{}", size - 256 + 1), "").refused(404, "not_found", "");
    }

    /// What is not as it was signed is never served: reading it halts the ledger.
    fn damage_is_not_served(kind) {
        let zeros = match kind {
            Kind::Sqlite => "zeroblob(32)",
            Kind::Postgres => "decode(repeat('00', 32), 'hex')",
        };
        let many_zeros = zeros.replace("32", "8192");
        let damages = [
            ("entries", format!("UPDATE entries SET leaf_hash = {zeros} WHERE idx = 258"), "tile/0/001.p/3"),
            ("entries", format!("UPDATE entries SET bytes = {zeros} WHERE idx = 258"), "tile/entries/001.p/4"),
            ("entries", format!("UPDATE entries SET bytes = {zeros} WHERE idx = 7"), "tile/entries/000"),
            ("entries", "DELETE FROM entries WHERE idx = 7".into(), "tile/entries/000.p/9"),
            ("tiles", format!("UPDATE tiles SET hashes = {many_zeros}"), "tile/0/000"),
            ("tiles", format!("UPDATE tiles SET root = {zeros}"), "tile/1/000.p/1"),
            ("tiles", format!("UPDATE tiles SET hashes = {many_zeros}, root = {zeros}"), "tile/0/000"),
            ("tiles", "DELETE FROM tiles".into(), "tile/0/000.p/7"),
            ("checkpoints", format!("UPDATE checkpoints SET root = {zeros}"), "tile/0/000"),
        ];
        for (table, damage, path) in damages {
            let mut app = TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, public());
            app.expect_damage();
            let donor = app.join(&["donor"]);
            grow(&app, &donor, 300);
            assert_eq!(log(&app, path, "").status, 200);
            let unhook = match kind {
                Kind::Sqlite => format!("DROP TRIGGER {table}_refuse_update; DROP TRIGGER {table}_refuse_delete;"),
                Kind::Postgres => format!("ALTER TABLE {table} DISABLE TRIGGER ALL;"),
            };
            app.database.tamper(&format!("{unhook} {damage}")).expect("an administrator can");
            log(&app, path, "").refused(503, "database_unavailable", "");
            assert!(app.ledger.health.halted().is_some(), "{damage}");
        }
    }

    /// The exported files are what is served; what is there already is compared, and a later export adds to it.
    fn an_export_is_what_is_served(kind) {
        let app = TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, public());
        let donor = app.join(&["donor"]);
        let place = tempfile::tempdir().expect("a folder");
        let mut before = BTreeMap::new();
        for count in [250, 50, 300] {
            let size = grow(&app, &donor, count);
            for _ in 0..2 {
                let output = export_tiles(&app, place.path(), &[]);
                assert!(output.status.success(), "{output:?}");
                assert!(String::from_utf8_lossy(&output.stdout).starts_with(&format!("{size} entries, root ")));
            }
            let files = files_in(place.path());
            let expected = Expected::read(&app, size);
            for (path, bytes) in expected.tiles().into_iter().chain(expected.bundles()) {
                assert!(files.get(&path) == Some(&bytes), "{path} of {size}");
            }
            for (path, bytes) in &files {
                let served = log(&app, path, "");
                assert!(served.status == 200 && served.bytes == *bytes, "{path} of {size}");
            }
            assert!(before.keys().all(|path| files.contains_key(path)), "nothing goes away");
            before = files;
        }
        let vkey = place.path().join("vkey");
        let hashes = tempfile::tempdir().expect("a folder");
        let output = export_tiles(&app, hashes.path(), &["--hashes-only", "--vkey", &vkey.display().to_string()]);
        assert!(output.status.success(), "{output:?}");
        assert!(fs::read_to_string(vkey).expect("a vkey").starts_with(crate::harness::ORIGIN));
        let files = files_in(hashes.path());
        assert!(files.contains_key("tile/1/000.p/2") && files.keys().all(|path| !path.contains("entries")));
    }

    /// What lies there is another history's, a file was changed, or the database is older: nothing is overwritten.
    fn an_export_meets_another_history(kind) {
        let start = || TestApp::start_sharing(TestDatabase::new(kind), NOON_MS, public());
        let place = tempfile::tempdir().expect("a folder");
        let (app, other) = (start(), start());
        let (donor, stranger) = (app.join(&["donor"]), other.join(&["donor"]));
        grow(&app, &donor, 300);
        assert!(export_tiles(&app, place.path(), &[]).status.success());
        let refuses = |app: &TestApp, words: &str| {
            let before = files_in(place.path());
            let output = export_tiles(app, place.path(), &[]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && told.contains(words), "{output:?}");
            assert_eq!(files_in(place.path()), before);
        };
        refuses(&other, "was a backup put back?");
        grow(&other, &stranger, 301);
        refuses(&other, "signs another history");
        fs::remove_file(place.path().join("checkpoint")).expect("removed");
        refuses(&other, "tile/0/000 holds other bytes than those that belong there");
        assert!(export_tiles(&app, place.path(), &[]).status.success());
        for path in ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"] {
            let file = place.path().join(path);
            let sound = fs::read(&file).expect("a file");
            let mut damaged = sound.clone();
            damaged[10] ^= 1;
            fs::write(&file, &damaged).expect("written");
            refuses(&app, &format!("{path} holds other bytes than those that belong there"));
            fs::write(&file, &sound).expect("written");
        }
        assert!(export_tiles(&app, place.path(), &[]).status.success());
    }
}

/// Runs `loopledger export --tiles` beside the service.
pub fn export_tiles(app: &TestApp, folder: &Path, more: &[&str]) -> Output {
    let url = match &app.database.url {
        DatabaseUrl::Sqlite(file) => format!("sqlite:{}", file.display()),
        DatabaseUrl::Postgres(url) => url.clone(),
    };
    let folder = folder.display().to_string();
    run(&[&["export", "--database-url", &url, "--tiles", &folder], more].concat())
}

/// Every file of the exported log by its path, without what locks the checkpoint and the vkey.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(place).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("inside").display().to_string();
                files.insert(name, fs::read(path).expect("readable"));
            }
        }
    }
    files.retain(|path, _| path.starts_with("tile/") || path == "checkpoint");
    files
}
