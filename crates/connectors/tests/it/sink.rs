//! Sinks by address: the right one for each scheme, and a way out for any other.

use inflight::Service;
use inflight_connectors::{Sink, SinkSettings};

use crate::{connect, record, save, wait};

fn check(text: &str, expected: Result<&str, &str>) {
    let settings = SinkSettings {
        more_schemes: &["lab:"],
        ..SinkSettings::default()
    };
    match (Sink::parse(text, &settings), expected) {
        (Ok(sink), Ok(shown)) => assert_eq!(sink.to_string(), shown),
        (Err(message), Err(part)) => {
            assert!(message.to_string().contains(part), "{text}: {message}")
        }
        (got, _) => panic!("{text}: {:?}", got.map(|sink| sink.to_string())),
    }
}

#[test]
fn addresses_are_read() {
    check("null:", Ok("null:"));
    check("null:x", Err("takes nothing after it"));
    check("labb:?latency=1s", Err("did you mean `lab:`"));
    check("results.db", Err("did you mean `sqlite:results.db`"));
    check("results", Err("unknown scheme `results`"));
    #[cfg(feature = "http")]
    {
        check(
            "http://u:p@localhost/add?token=1",
            Ok("http://localhost/add"),
        );
        check("htp://localhost/", Err("did you mean `http:`"));
        check("htp://localhost/", Err("known: http:, https:,"));
        check("http://", Err("address http://"));
    }
    #[cfg(feature = "sqlite")]
    {
        check("sqlite:a.db", Ok("sqlite:a.db?table=results"));
        check("sqlite:a.db?table=t", Ok("sqlite:a.db?table=t"));
        check("sqlite:a.db?tabel=t", Err("did you mean `table`"));
        check("sqlite:a.db?table=a\"b", Err("letters, digits and _"));
        check("sqlite:", Err("names no file"));
    }
    #[cfg(feature = "file")]
    {
        check("file:a.jsonl", Ok("file:a.jsonl"));
        check("file:", Err("names no file"));
    }
}

/// Looking follows a link and leaves it where it is, and nothing at its end.
#[cfg(all(unix, feature = "file", feature = "sqlite"))]
#[test]
fn a_check_keeps_a_link_that_leads_nowhere_yet() {
    for scheme in ["file:", "sqlite:"] {
        let folder = tempfile::tempdir().unwrap();
        let (link, end) = (folder.path().join("link"), folder.path().join("end"));
        std::os::unix::fs::symlink(&end, &link).unwrap();
        let address = format!("{scheme}{}", link.display());
        let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
        sink.check().unwrap();
        assert!(link.is_symlink() && !end.exists(), "{address}");
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(0, "x")]).await.unwrap();
        });
        assert!(link.is_symlink() && end.exists(), "{address}");
    }
}

#[test]
fn null_takes_everything() {
    let sink = Sink::parse("null:", &SinkSettings::default()).unwrap();
    sink.check().unwrap();
    assert!(sink.bulk_max() >= 8192);
    wait(async {
        let mut connection = connect(&sink).await;
        let outcomes = save(&mut connection, &[record(0, "x"), record(1, "y")])
            .await
            .unwrap();
        assert_eq!(outcomes.len(), 2);
    });
}
