//! Files as sinks: whole lines only, nothing overwritten.

use std::path::Path;
use std::time::Duration;

use inflight::{Connection, Service, Verdict};
use inflight_connectors::{Columns, Kind, Resume, Sink, SinkSettings};

use crate::{connect, record, save, wait};

fn settings(inline: bool, append: bool) -> SinkSettings {
    SinkSettings {
        inline,
        append,
        ..SinkSettings::default()
    }
}

#[test]
fn results_become_lines() {
    for inline in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let sink = Sink::parse(
            &format!("file:{}", path.display()),
            &settings(inline, false),
        )
        .unwrap();
        sink.check().unwrap();
        assert!(!path.exists(), "a check leaves nothing behind");
        assert_eq!((sink.bulk_max(), sink.connections_max()), (8192, 1));
        wait(async {
            let mut connection = connect(&sink).await;
            let bulk = [record(0, "a\"b"), record(1, &b"\xff"[..]), record(2, "")];
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            let fault = outcomes[1].as_ref().unwrap_err();
            assert_eq!(fault.verdict(), Verdict::Permanent);
            assert!(
                fault.to_string().contains("use sqlite: or http:"),
                "{fault}"
            );
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
            drop(connection);
            // Idle connections are closed and opened anew; what the run wrote itself is no surprise.
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(3, "é")]).await.unwrap();
        });
        let lines = "{\"index\":0,\"result\":\"a\\\"b\"}\n{\"index\":2,\"result\":\"\"}\n{\"index\":3,\"result\":\"é\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);

        let address = format!("file:{}", path.display());
        let sink = Sink::parse(&address, &settings(inline, false)).unwrap();
        assert!(sink.check().unwrap_err().to_string().contains("--append"));
        assert!(
            wait(sink.connect()).is_err(),
            "refused without a check as well"
        );
        let sink = Sink::parse(&address, &settings(inline, true)).unwrap();
        sink.check().unwrap();
        wait(async {
            save(&mut connect(&sink).await, &[record(4, "z")])
                .await
                .unwrap()
        });
        let more = format!("{lines}{{\"index\":4,\"result\":\"z\"}}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), more);
    }
}

#[test]
fn a_file_that_holds_nothing_but_the_names_of_its_columns_is_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || SinkSettings {
        columns: Columns::parse("index,double=.*2").unwrap(),
        ..settings(true, false)
    };
    for name in ["out.csv", "out.csv.gz"] {
        let address = format!("file:{}", folder.path().join(name).display());
        // A run that was stopped before it saved anything.
        drop(wait(connect(&Sink::parse(&address, &settings()).unwrap())));
        let sink = Sink::parse(&address, &settings()).unwrap();
        sink.check().unwrap();
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(0, "7")]).await.unwrap();
        });
        let sink = Sink::parse(&address, &settings()).unwrap();
        assert!(sink.check().unwrap_err().to_string().contains("--append"));
    }
    let text = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(text, "index,double\n0,14\n");
}

#[test]
fn places_that_cannot_be_written_are_named() {
    for place in ["/no/such/dir/out.jsonl", "/tmp"] {
        let sink = Sink::parse(&format!("file:{place}"), &settings(false, true)).unwrap();
        let message = sink.check().unwrap_err().to_string();
        assert!(
            message.contains(&format!("cannot write to {place}: ")),
            "{message}"
        );
    }
}

/// A sink that goes on where a journal says.
fn resumed(path: &Path, inline: bool, resume: Resume) -> Sink {
    let settings = SinkSettings {
        resume: Some(resume),
        ..settings(inline, false)
    };
    Sink::parse(&format!("file:{}", path.display()), &settings).unwrap()
}

/// What the journal of a run knows that was killed, or recorded all that it knew.
fn killed(at: u64) -> Resume {
    let finished: [std::ops::Range<u64>; 0] = [];
    Resume {
        at,
        is_ended: false,
        finished: finished.into(),
    }
}

fn ended(at: u64) -> Resume {
    Resume {
        is_ended: true,
        ..killed(at)
    }
}

#[test]
fn what_the_journal_does_not_know_is_cut_off() {
    for inline in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let sink = resumed(&path, inline, killed(0));
        sink.check().unwrap();
        let marks: Vec<_> = wait(async {
            let mut connection = connect(&sink).await;
            let mut marks = vec![connection.mark()];
            for (index, result) in [(0, "a"), (1, "b"), (2, "c")] {
                save(&mut connection, &[record(index, result)])
                    .await
                    .unwrap();
                marks.push(connection.mark());
            }
            marks
        });
        assert_eq!(marks, [Some(0), Some(25), Some(50), Some(75)]);
        let torn = std::fs::read_to_string(&path).unwrap() + "{\"index\":3,";
        std::fs::write(&path, torn).unwrap();

        let sink = resumed(&path, inline, killed(50));
        sink.check().unwrap();
        assert_eq!(path.metadata().unwrap().len(), 86, "a check cuts nothing");
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(2, "again")]).await.unwrap();
            assert_eq!(connection.mark(), Some(79));
        });
        let lines = "{\"index\":0,\"result\":\"a\"}\n{\"index\":1,\"result\":\"b\"}\n{\"index\":2,\"result\":\"again\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);

        let refused = |resume, part: &str| {
            let message = resumed(&path, inline, resume)
                .check()
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message}");
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);
        };
        refused(
            killed(80),
            "holds 79 bytes, and earlier runs of this job wrote 80",
        );
        let knows_more = Resume {
            finished: std::iter::once(2..3).collect(),
            ..killed(50)
        };
        refused(
            knows_more,
            "holds lines from byte 50 on that no run of this job wrote",
        );
        resumed(&path, inline, ended(79)).check().unwrap();
        refused(killed(51), "no line ends at byte 51");
        std::fs::remove_file(&path).unwrap();
        let message = resumed(&path, inline, killed(79))
            .check()
            .unwrap_err()
            .to_string();
        assert!(message.contains("holds 0 bytes"), "{message}");
        assert!(!path.exists());
    }
}

#[test]
fn what_others_appended_after_a_run_that_ended_stays() {
    for inline in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let others = "{\"index\":0,\"result\":\"a\"}\n{\"index\":0,\"result\":\"of others\"}\n";
        std::fs::write(&path, others).unwrap();
        let sink = resumed(&path, inline, ended(25));
        sink.check().unwrap();
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(1, "b")]).await.unwrap();
        });
        let expected = format!("{others}{{\"index\":1,\"result\":\"b\"}}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }
}

#[test]
fn whoever_appends_at_the_same_time_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let address = format!("file:{}", path.display());
    std::thread::scope(|scope| {
        for job in 0..4_u64 {
            let address = &address;
            scope.spawn(move || {
                for part in 0..20 {
                    let sink = Sink::parse(address, &settings(true, true)).unwrap();
                    sink.check().unwrap();
                    let bulk: Vec<_> = (0..50)
                        .map(|n| record(job * 1000 + part * 50 + n, "x"))
                        .collect();
                    wait(async { save(&mut connect(&sink).await, &bulk).await.unwrap() });
                }
            });
        }
    });
    let lines = std::fs::read_to_string(&path).unwrap();
    let different: std::collections::BTreeSet<&str> = lines.lines().collect();
    assert_eq!((lines.lines().count(), different.len()), (4000, 4000));
    assert!(lines.lines().all(|line| line.ends_with("\"x\"}")));
}

#[test]
fn an_output_that_is_lost_is_said() {
    let check = |lose: fn(&Path), part: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let sink =
            Sink::parse(&format!("file:{}", path.display()), &settings(true, false)).unwrap();
        let mut durable = Service::durable(&sink).unwrap();
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(0, "a")]).await.unwrap();
            durable.sync().unwrap();
            lose(&path);
            let error = durable.sync().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(durable.sync().is_err(), "nothing brings it back");
        });
    };
    check(|path| std::fs::remove_file(path).unwrap(), "was removed");
    let moved = |path: &Path| std::fs::rename(path, path.with_extension("1")).unwrap();
    check(moved, "was moved away");
    let replaced = |path: &Path| {
        std::fs::rename(path, path.with_extension("1")).unwrap();
        std::fs::write(path, "{\"index\":0,\"result\":\"a\"}\n").unwrap();
    };
    check(replaced, "was replaced");
    check(|path| std::fs::write(path, "").unwrap(), "was cut");
}

#[test]
fn a_pipe_without_a_reader_is_no_place_to_save_to_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let sink = Sink::parse(&format!("file:{}", path.display()), &settings(true, false)).unwrap();
    sink.check().unwrap();
    assert!(!sink.has_reader().unwrap());
    assert!(wait(sink.connect()).is_err());
    let reading = std::thread::spawn({
        let path = path.clone();
        move || std::fs::read_to_string(path).unwrap()
    });
    while !sink.has_reader().unwrap() {
        std::thread::yield_now();
    }
    wait(async {
        save(&mut connect(&sink).await, &[record(0, "a")])
            .await
            .unwrap()
    });
    drop(sink);
    assert_eq!(reading.join().unwrap(), "{\"index\":0,\"result\":\"a\"}\n");
}

#[test]
fn what_an_abandoned_connection_wrote_is_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let sink = resumed(&path, false, killed(0));
    let bulk: Vec<_> = (0..8192).map(|n| record(n, "x".repeat(900))).collect();
    wait(async {
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(9000, "before")])
            .await
            .unwrap();
        let before = connection.mark().unwrap();
        // Polls it once: the bulk is handed to the thread that writes, which goes on when nobody waits any more.
        let sent = tokio::time::timeout(Duration::ZERO, connection.send(&bulk)).await;
        drop(connection);
        // On a machine that writes faster than it looks it was answered after all.
        if sent.is_err() {
            assert_eq!(path.metadata().unwrap().len(), before);
        }
        let connection = connect(&sink).await;
        assert_eq!(connection.mark(), Some(path.metadata().unwrap().len()));
    });
}

#[test]
fn what_was_never_opened_has_nothing_to_sync() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    std::fs::write(&path, "x\n").unwrap();
    let address = format!("file:{}", path.display());
    let sink = Sink::parse(&address, &settings(false, true)).unwrap();
    let mut durable = sink.durable().unwrap();
    durable.sync().unwrap();
    assert_eq!(durable.mark().unwrap(), Some(2));
    wait(async {
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "y")]).await.unwrap();
        assert_eq!(connection.mark(), Some(27));
        durable.sync().unwrap();
    });
    let refused = Sink::parse(&address, &settings(false, false)).unwrap();
    let error = refused.durable().unwrap().mark().unwrap_err();
    assert!(error.to_string().contains("--append"), "{error}");
}

#[test]
fn a_device_has_no_mark_and_promises_less() {
    let sink = Sink::parse("file:/dev/full", &settings(false, false)).unwrap();
    assert!(sink.durable().is_none());
    assert_eq!(sink.kind(), Kind::Append);
    wait(async {
        let mut connection = connect(&sink).await;
        assert_eq!(connection.mark(), None);
        let fault = save(&mut connection, &[record(0, "x")]).await.unwrap_err();
        assert!(fault.to_string().contains("No space left"), "{fault}");
        assert_eq!(fault.verdict(), Verdict::Transient, "nothing was written");
    });
    let message = resumed(Path::new("/dev/full"), false, killed(5))
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("/dev/full is no file any more"),
        "{message}"
    );
}
