//! A disk that is full: for the journal, for dead letters, for the output. The run stops, and goes on when there is room.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::inflight_in;

/// Runs a command line whose files may not become larger than so many blocks of 512 bytes, as on a disk that is full.
fn in_little_room(folder: &Path, blocks: u32, line: &str) -> (Option<i32>, String) {
    let binary = env!("CARGO_BIN_EXE_inflight");
    let script = format!("ulimit -f {blocks}; exec {binary} {line}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("XDG_STATE_HOME", folder)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Stops for want of room, and is done by the same command when there is some.
#[track_caller]
fn check(folder: &Path, blocks: u32, line: &str, items: u64, dead: u64) {
    let (code, stderr) = in_little_room(folder, blocks, line);
    assert_eq!(code, Some(8), "{stderr}");
    assert!(stderr.contains("error: "), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.contains(" resume='"), "{stderr}");
    let done = inflight_in(folder, line, "").expect(if dead > 0 { 3 } else { 0 });
    let saved = items - dead;
    assert_eq!(
        done.last_line(),
        format!("saved={saved} dead={dead} in_doubt=0 left=0")
    );
}

#[test]
fn the_output_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.jsonl");
    let line = format!("run 0..20000 --save file:{}", output.display());
    check(folder.path(), 200, &line, 20_000, 0);
    let text = fs::read_to_string(&output).unwrap();
    let mut indexes: Vec<u64> = text
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["index"].as_u64().unwrap()
        })
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..20_000).collect::<Vec<_>>(), "each line once");
}

#[test]
fn the_database_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("out.db");
    let line = format!("run 0..50000 --save sqlite:{}", database.display());
    check(folder.path(), 400, &line, 50_000, 0);
    let connection = rusqlite::Connection::open(&database).unwrap();
    let rows: i64 = connection
        .query_row("select count(*) from results", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 50_000);
}

#[test]
fn the_dead_letters_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    fs::write(&input, "no JSON\n".repeat(3000) + &"1\n".repeat(100)).unwrap();
    let line = format!("run {} --save null: --halt never", input.display());
    check(folder.path(), 100, &line, 3100, 3000);
}

#[test]
fn the_journal_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    // Each write of the journal is for a few items that are far from each other.
    let line = "run 0..3000 --compute sleep:1ms -j 1 --save lab:?latency=lognormal:20ms,1";
    check(folder.path(), 8, line, 3000, 0);
}
