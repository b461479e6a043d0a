//! Files as sinks: whole lines only, nothing overwritten.

use inflight::{Service, Verdict};
use inflight_connectors::{Sink, SinkSettings};

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
        assert!(sink.check().unwrap_err().contains("--append"));
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
fn places_that_cannot_be_written_are_named() {
    for place in ["/no/such/dir/out.jsonl", "/tmp"] {
        let sink = Sink::parse(&format!("file:{place}"), &settings(false, true)).unwrap();
        let message = sink.check().unwrap_err();
        assert!(
            message.contains(&format!("cannot write to {place}: ")),
            "{message}"
        );
    }
}

#[test]
fn a_full_disk_is_transient_or_in_doubt_and_never_silent() {
    let sink = Sink::parse("file:/dev/full", &settings(false, true)).unwrap();
    wait(async {
        let mut connection = connect(&sink).await;
        let fault = save(&mut connection, &[record(0, "x")]).await.unwrap_err();
        assert!(fault.to_string().contains("No space left"), "{fault}");
    });
}
