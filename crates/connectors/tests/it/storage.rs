//! A disk that is full in the middle of a run, and what the run that goes on makes of it.
//!
//! The full disk is a limit on the size of files, set for a process of its own: the test starts itself once more.

use std::path::Path;
use std::process;

use inflight::{Command, Ending, Job, OpenedJournal, Options, Summary};
use inflight_connectors::{Input, Ledger, Payload, Resume, Sink, SinkSettings};

use crate::server::Server;

/// Tells a test that it was started by itself, and where to work.
const FOLDER: &str = "INFLIGHT_TEST_FOLDER";

/// Runs a job with too little room, then once more with enough. `run` is given the folder, and `test` is the name of
/// the test that calls this.
fn check(test: &str, items: u64, run: impl Fn(&Path) -> Summary, look: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let summary = run(Path::new(&folder));
        let Ending::Storage(why) = &summary.ending else {
            panic!("{:?}", summary.ending);
        };
        assert!(why.contains("out."), "names the file: {why}");
        assert_eq!((summary.dead, summary.retried), (0, 0));
        assert!(summary.saved > 0 && summary.left > 0, "{summary:?}");
        assert_eq!(summary.saved + summary.left, items);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Blocks of half a kilobyte; without the signal a write that is too much fails like any other.
    let limited = "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\"";
    let child = process::Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("storage::{test}"), "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    let summary = run(folder.path());
    assert_eq!(summary.ending, Ending::Complete);
    assert_eq!((summary.saved, summary.dead), (items, 0));
    assert!(summary.saved_before > 0, "the first run was not in vain");
    look(folder.path());
}

/// Does what is left of a job of so many items.
fn go_on(folder: &Path, address: &str, items: u64, settings: SinkSettings) -> Summary {
    let mut opened = OpenedJournal::open(&folder.join("journal")).unwrap();
    let settings = SinkSettings {
        resume: Resume::of(&opened),
        ledger: Some(Ledger {
            job: "night".into(),
            epoch: opened.epoch_next(),
            is_known: true,
        }),
        ..settings
    };
    let sink = Sink::parse(address, &settings).unwrap();
    sink.check().unwrap();
    if let Some(saved) = sink.ledger().unwrap() {
        opened.believe(&saved).unwrap();
    }
    let input = Input::parse(&format!("0..{items}"), None, None).unwrap();
    Job::new(input.open().unwrap())
        .compute(|item: Payload| item)
        .save_to(sink)
        .recorded_in(opened.start(&[], Command::default()).unwrap())
        .run(&Options::default())
        .unwrap()
}

/// The items that the lines of a file are about, in order.
fn indexes(path: &Path) -> Vec<u64> {
    let lines = std::fs::read_to_string(path).unwrap();
    let index = |line: &str| {
        let rest = line.strip_prefix("{\"index\":").unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    let mut indexes: Vec<u64> = lines.lines().map(index).collect();
    indexes.sort_unstable();
    indexes
}

#[test]
fn a_file_holds_each_line_once_when_there_is_room_again() {
    const ITEMS: u64 = 60_000;
    let run = |folder: &Path| {
        let address = format!("file:{}", folder.join("out.jsonl").display());
        go_on(folder, &address, ITEMS, SinkSettings::default())
    };
    check(
        "a_file_holds_each_line_once_when_there_is_room_again",
        ITEMS,
        run,
        |folder| assert!(indexes(&folder.join("out.jsonl")).into_iter().eq(0..ITEMS)),
    );
}

#[test]
fn a_table_holds_each_row_once_when_there_is_room_again() {
    const ITEMS: u64 = 60_000;
    let run = |folder: &Path| {
        let address = format!("sqlite:{}?table=t", folder.join("out.db").display());
        go_on(folder, &address, ITEMS, SinkSettings::default())
    };
    check(
        "a_table_holds_each_row_once_when_there_is_room_again",
        ITEMS,
        run,
        |folder| {
            let database = rusqlite::Connection::open(folder.join("out.db")).unwrap();
            let sum = "SELECT count(*), sum(\"index\") FROM t";
            let found: (i64, i64) = database
                .query_row(sum, (), |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            let items = ITEMS.cast_signed();
            assert_eq!(found, (items, items * (items - 1) / 2));
        },
    );
}

#[test]
fn responses_are_kept_once_when_there_is_room_again() {
    const ITEMS: u64 = 3000;
    let server = Server::canned(&format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n{}",
        "x".repeat(300)
    ));
    let run = |folder: &Path| {
        let settings = SinkSettings {
            responses: Some(folder.join("out.jsonl")),
            ..SinkSettings::default()
        };
        go_on(folder, &server.url("/"), ITEMS, settings)
    };
    check(
        "responses_are_kept_once_when_there_is_room_again",
        ITEMS,
        run,
        |folder| assert!(indexes(&folder.join("out.jsonl")).into_iter().eq(0..ITEMS)),
    );
}
