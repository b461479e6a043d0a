//! Sources: what a file, a stream or a range holds, item by item.

use std::io::Write as _;
use std::time::Duration;

use inflight::{Source, Verdict};
use inflight_connectors::{Format, Input};

/// What an item must be: these bytes, or a fault with this part.
type Expected<'a> = Result<&'a [u8], &'a str>;

/// Reads a file of this name and content, two items at a time.
fn check(name: &str, content: &[u8], field: Option<&str>, expected: &[Expected]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let input = Input::parse(path.to_str().unwrap(), None, field.map(Into::into)).unwrap();
    let mut source = input.open().unwrap();
    assert_eq!(source.remaining(), Some(expected.len() as u64), "{name}");
    let mut items = Vec::new();
    while {
        let before = items.len();
        source.read(2, &mut items).unwrap();
        assert!(items.len() - before <= 2);
        items.len() > before
    } {}
    assert_eq!(source.remaining(), Some(0), "{name}");
    assert_eq!(items.len(), expected.len(), "{name}: {items:?}");
    for (item, expected) in items.iter().zip(expected) {
        match (item, expected) {
            (Ok(item), Ok(expected)) => assert!(item.bytes() == *expected, "{:?}", item.bytes()),
            (Err(fault), Err(part)) => {
                assert_eq!(fault.verdict(), Verdict::Permanent);
                let message = fault.to_string();
                assert!(message.contains(part), "{message}");
                assert!(message.starts_with(path.to_str().unwrap()), "{message}");
            }
            (item, _) => panic!("{item:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn text_is_one_item_a_line() {
    check("a.txt", b"", None, &[]);
    check("a.txt", b"one\ntwo\n", None, &[Ok(b"one"), Ok(b"two")]);
    check("a.txt", b"one\r\ntwo", None, &[Ok(b"one"), Ok(b"two")]);
    check(
        "a.txt",
        b"\n\r\none\n\n\ntwo\n\n",
        None,
        &[Ok(b"one"), Ok(b"two")],
    );
    check("a.txt", b" \n\xff\n", None, &[Ok(b" "), Ok(b"\xff")]);
    check("a.txt", b"\xef\xbb\xbfone\n", None, &[Ok(b"one")]);
    check("a.txt", b"\xef\xbb\xbf\n", None, &[]);
}

#[test]
fn json_lines_give_a_line_or_a_field() {
    let lines = b"{\"a\":{\"b\":\"x\"}}\r\n\n{\"a\":{\"b\":7}}";
    check(
        "a.jsonl",
        lines,
        None,
        &[Ok(b"{\"a\":{\"b\":\"x\"}}"), Ok(b"{\"a\":{\"b\":7}}")],
    );
    check("a.ndjson", lines, Some("a.b"), &[Ok(b"x"), Ok(b"7")]);
    check(
        "a.jsonl",
        lines,
        Some("c"),
        &[Err("line 1: field c is missing"), Err("line 3: field c")],
    );
    let bad = b"{\"a\":1}\nnope\n \t\n{\"a\":\"\xff\"}\n{\"a\":2}\n{\"a\":";
    check(
        "a.jsonl",
        bad,
        Some("a"),
        &[
            Ok(b"1"),
            Err("line 2: not JSON"),
            Err("line 4: not UTF-8"),
            Ok(b"2"),
            Err("line 6: not JSON: EOF"),
        ],
    );
}

#[test]
fn long_lines_are_read_past() {
    let mut content = b"one\n".to_vec();
    content.resize(17 << 20, b'x');
    let both: [Expected; 2] = [Ok(b"one"), Err("line 2: longer than 16 MiB")];
    check("a.txt", &content, None, &both);
    content.extend_from_slice(b"\ntwo\n");
    check("a.txt", &content, None, &[both[0], both[1], Ok(b"two")]);
    let most = vec![b'y'; 16 << 20];
    check(
        "a.txt",
        &[&most[..], b"\nz"].concat(),
        None,
        &[Ok(&most), Ok(b"z")],
    );
}

#[test]
fn items_that_span_buffers_stay_whole() {
    let lines: Vec<Vec<u8>> = (0..40)
        .map(|n| vec![b'a' + n % 26; usize::from(n) * 3000 + 1])
        .collect();
    let expected: Vec<Expected> = lines.iter().map(|line| Ok(&line[..])).collect();
    check("a.txt", &lines.join(&b'\n'), None, &expected);
}

#[test]
fn the_key_is_that_of_the_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, "{\"a\":1,\"b\":1}\n{\"a\":1,\"b\":2}\n").unwrap();
    let input = Input::parse(path.to_str().unwrap(), None, Some("a".into())).unwrap();
    let mut items = Vec::new();
    input.open().unwrap().read(9, &mut items).unwrap();
    let items: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(items[0].bytes(), items[1].bytes());
    assert_ne!(items[0].key, items[1].key);
}

#[test]
fn what_is_there_is_handed_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            pipe.write_all(b"one\ntwo\nthr").unwrap();
            std::thread::sleep(Duration::from_millis(300));
            pipe.write_all(b"ee\nfour").unwrap();
        }
    });
    let mut source = Input::parse(path.to_str().unwrap(), None, None)
        .unwrap()
        .open()
        .unwrap();
    assert_eq!(source.remaining(), None);
    let mut read = || {
        let mut items = Vec::new();
        source.read(100, &mut items).unwrap();
        items
            .into_iter()
            .map(|item| item.unwrap().bytes().clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(read(), ["one", "two"]);
    assert_eq!(read(), ["three"]);
    assert_eq!(read(), ["four"]);
    assert!(read().is_empty());
    writer.join().unwrap();
}

#[test]
fn large_files_are_counted_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.txt");
    let line = format!("{}\n", "x".repeat(999));
    std::fs::write(&path, line.repeat(70_000)).unwrap();
    let mut source = Input::parse(path.to_str().unwrap(), None, None)
        .unwrap()
        .open()
        .unwrap();
    assert_eq!(source.remaining(), None);
    let mut items = Vec::new();
    source.read(10, &mut items).unwrap();
    assert_eq!(source.count_rest(), Some(69_990));
}

#[test]
fn inputs_that_make_no_sense_are_refused() {
    let check = |text: &str, format: Option<&str>, field: Option<&str>, part: &str| {
        let message = format
            .map(Format::parse)
            .transpose()
            .and_then(|format| Input::parse(text, format, field.map(Into::into)))
            .and_then(|input| {
                input
                    .open()
                    .map(|_| ())
                    .map_err(|cause| cause.to_string().into())
            })
            .unwrap_err();
        assert!(message.to_string().contains(part), "{text}: {message}");
    };
    check("a.txt", Some("jsnl"), None, "did you mean `jsonl`");
    check("a.txt", None, Some("x"), "add --format jsonl");
    check("a.jsonl", None, Some("a..b"), "empty name");
    check("0..9", None, Some("x"), "neither format nor field");
    check("9..0", None, None, "did you mean 0..9");
    check("", None, None, "input is empty");
    check("/no/such/file", None, None, "cannot read /no/such/file: ");
    check("/tmp", None, None, "cannot read /tmp: is a directory");
}
