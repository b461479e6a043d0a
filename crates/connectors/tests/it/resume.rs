//! Sources that go on where an earlier run stopped, and notice when the input is not what it was.

use std::path::{Path, PathBuf};

use inflight::{Place, Source};
use inflight_connectors::{Input, Items};

/// A file whose content changes between runs.
struct Growing {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Growing {
    fn new(name: &str, content: &[u8]) -> Growing {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Growing {
            _folder: folder,
            path,
        }
    }

    fn input(&self) -> Input {
        input(&self.path)
    }

    /// Opened for a run that records where it stands.
    fn open(&self) -> Items {
        let mut items = self.input().open().unwrap();
        items.resume(None, None).unwrap();
        items
    }

    fn becomes(&self, content: &[u8]) {
        std::fs::write(&self.path, content).unwrap();
    }

    /// What a later run reads that goes on at this place; or why it does not.
    fn resumed(
        &self,
        from: Option<&Place>,
        read_to: Option<&Place>,
    ) -> Result<Vec<String>, String> {
        let mut items = self.input().open().unwrap();
        items
            .resume(from, read_to)
            .map_err(|fault| fault.to_string())?;
        let expected = items.remaining();
        let texts = read(&mut items, usize::MAX);
        assert_eq!(expected, Some(texts.len() as u64), "what remains is known");
        Ok(texts)
    }
}

fn input(path: &Path) -> Input {
    Input::parse(path.to_str().unwrap(), None, None).unwrap()
}

/// At most so many items, or what is wrong with them.
fn read(items: &mut Items, most: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < most {
        let before = read.len();
        items.read((most - before).min(3), &mut read).unwrap();
        if read.len() == before {
            break;
        }
    }
    read.into_iter()
        .map(|item| match item {
            Ok(item) => String::from_utf8(item.bytes().to_vec()).unwrap(),
            Err(fault) => fault.to_string(),
        })
        .collect()
}

#[test]
fn reading_goes_on_at_every_place() {
    let content = b"\xef\xbb\xbfone\r\n\ntwo\nthree\n\r\nfour\nfive";
    let file = Growing::new("a.txt", content);
    let all = ["one", "two", "three", "four", "five"];
    let mut end = file.open();
    read(&mut end, 9);
    let end = end.place().unwrap();
    for done in 0..=all.len() {
        let mut items = file.open();
        assert_eq!(read(&mut items, done), all[..done]);
        let place = items.place().unwrap();
        for read_to in [&place, &end] {
            let rest = file.resumed(Some(&place), Some(read_to)).unwrap();
            assert_eq!(rest, all[done..]);
        }
    }
    assert_eq!(file.resumed(None, Some(&end)).unwrap(), all);
    // Lines are counted on, for messages.
    let file = Growing::new("a.jsonl", b"1\n2\n\nx\n");
    let mut items = file.open();
    read(&mut items, 2);
    let rest = file.resumed(items.place().as_ref(), None).unwrap();
    assert!(rest[0].contains("line 4: not JSON"), "{rest:?}");
}

#[test]
fn a_line_that_is_read_in_pieces_is_read_again() {
    let long = vec![b'x'; 700_000];
    let file = Growing::new("a.txt", &[b"one\n", &long[..], b"\ntwo\n"].concat());
    let mut items = file.open();
    let mut read = Vec::new();
    // Hands over what it has, when the long line has begun.
    items.read(2, &mut read).unwrap();
    assert_eq!(read.len(), 1);
    let rest = file.resumed(items.place().as_ref(), None).unwrap();
    assert_eq!(rest.len(), 2);
    assert!(rest[0].as_bytes() == long && rest[1] == "two");
}

#[test]
fn what_was_read_must_be_what_it_was() {
    let file = Growing::new("a.txt", b"one\ntwo\nthree\nfour\n");
    let mut items = file.open();
    read(&mut items, 2);
    let from = items.place();
    read(&mut items, 1);
    let read_to = items.place();
    let name = file.path.display().to_string();
    let check = |content: &[u8], expected: Result<&[&str], &str>| {
        file.becomes(content);
        match (file.resumed(from.as_ref(), read_to.as_ref()), expected) {
            (Ok(rest), Ok(expected)) => assert_eq!(rest, expected),
            (Err(why), Err(expected)) => assert_eq!(why, expected.replace("FILE", &name)),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    };
    check(b"one\ntwo\nthree\nfour\n", Ok(&["three", "four"]));
    check(
        b"one\ntwo\nthree\nfour\nfive\n",
        Ok(&["three", "four", "five"]),
    );
    check(b"one\ntwo\nthree\nother\n", Ok(&["three", "other"]));
    check(
        b"One\ntwo\nthree\nfour\n",
        Err("the first 8 bytes of FILE are not what they were"),
    );
    check(
        b"one\ntwo\nThree\nfour\n",
        Err("the first 14 bytes of FILE are not what they were"),
    );
    check(
        b"one\ntwo\nth",
        Err("FILE is shorter than it was: 10 bytes, and it had 14"),
    );
}

#[test]
fn a_last_line_without_an_end_may_get_one_and_nothing_else() {
    let file = Growing::new("a.txt", b"one\ntw");
    let mut items = file.open();
    assert_eq!(read(&mut items, 9), ["one", "tw"]);
    // What is appended while it runs is for the next run.
    file.becomes(b"one\ntwo\n");
    assert_eq!(read(&mut items, 9), Vec::<String>::new());
    let end = items.place();
    let resumed = |content: &[u8]| {
        file.becomes(content);
        file.resumed(end.as_ref(), end.as_ref())
    };
    assert_eq!(resumed(b"one\ntw").unwrap(), Vec::<String>::new());
    assert_eq!(resumed(b"one\ntw\n").unwrap(), Vec::<String>::new());
    assert_eq!(resumed(b"one\ntw\r\nthree\n").unwrap(), ["three"]);
    let why = resumed(b"one\ntwo\nthree\n").unwrap_err();
    assert!(
        why.contains("had no end, and has been continued since"),
        "{why}"
    );
    // A run that found nothing new leaves that as it was.
    file.becomes(b"one\ntw");
    let mut again = file.input().open().unwrap();
    again.resume(end.as_ref(), end.as_ref()).unwrap();
    assert_eq!(read(&mut again, 9), Vec::<String>::new());
    assert_eq!(again.place(), end);
    // A blank line without an end was no item, and may become one.
    let file = Growing::new("a.jsonl", b"1\n  ");
    let mut items = file.open();
    assert_eq!(read(&mut items, 9), ["1"]);
    file.becomes(b"1\n  2\n");
    assert_eq!(file.resumed(items.place().as_ref(), None).unwrap(), ["  2"]);
}

#[test]
fn counting_the_rest_moves_no_place() {
    let line = format!("{}\n", "x".repeat(999));
    let file = Growing::new("large.txt", line.repeat(70_000).as_bytes());
    let mut items = file.open();
    let mut read = Vec::new();
    items.read(10, &mut read).unwrap();
    let before = items.place();
    assert_eq!(items.count_rest(), Some(69_990));
    assert_eq!(items.place(), before);
    let mut later = file.input().open().unwrap();
    later.resume(before.as_ref(), None).unwrap();
    assert_eq!(later.count_rest(), Some(69_990));
}

#[test]
fn what_can_be_read_only_once_has_no_places() {
    let mut items = input(Path::new("/dev/null")).open().unwrap();
    items.resume(None, None).unwrap();
    assert_eq!(items.place(), None);
    let file = Growing::new("a.txt", b"one\n");
    let place = file.open().place();
    let fault = items.resume(place.as_ref(), None).unwrap_err();
    assert!(fault.to_string().contains("was a file, and is one no more"));
    let other = Input::parse("0..9", None, None).unwrap();
    assert!(other.open().unwrap().resume(place.as_ref(), None).is_err());
    let place = other.open().unwrap().place();
    assert!(file.resumed(place.as_ref(), None).is_err());
    for (text, is_replayable) in [("-", false), ("/dev/null", false), ("0..9", true)] {
        let input = Input::parse(text, None, None).unwrap();
        assert_eq!(input.is_replayable(), is_replayable, "{text}");
    }
    assert!(file.input().is_replayable());
}

/// What an input says of an earlier one.
fn continues(input: &Input, earlier: &str, expected: Result<(), &str>) {
    match (input.continues(earlier), expected) {
        (Ok(()), Ok(())) => {}
        (Err(why), Err(part)) => assert!(why.to_string().contains(part), "{why}"),
        (got, expected) => panic!("{earlier}: {got:?}, expected {expected:?}"),
    }
}

#[test]
fn a_fingerprint_tells_what_differs() {
    let range = |text: &str| Input::parse(text, None, None).unwrap();
    assert_eq!(range("0..600").fingerprint().unwrap(), "0..600");
    assert_eq!(range("-").fingerprint().unwrap(), "stdin");
    assert_eq!(range("/dev/null").fingerprint().unwrap(), "stream");
    continues(&range("0..600"), "0..600", Ok(()));
    continues(&range("0..700"), "0..600", Ok(()));
    continues(&range("0..500"), "0..600", Err("was 0..600, and is 0..500"));
    continues(&range("1..600"), "0..600", Err("was 0..600, and is 1..600"));
    continues(&range("-"), "stdin", Ok(()));
    continues(&range("-"), "0..600", Err("and is stdin"));
    continues(&range("/dev/null"), "stream", Ok(()));

    let file = Growing::new("a.txt", b"one\ntw");
    let cut = file.input().fingerprint().unwrap();
    assert!(
        cut.starts_with("bytes=6 head=") && cut.ends_with(" end=cut"),
        "{cut}"
    );
    continues(&range("0..6"), &cut, Err("and is 0..6"));
    continues(&file.input(), "0..6", Err("the input was 0..6"));
    continues(&file.input(), &cut, Ok(()));
    file.becomes(b"one\ntw\nthree\n");
    continues(&file.input(), &cut, Ok(()));
    let whole = file.input().fingerprint().unwrap();
    assert!(whole.ends_with(" end=newline"), "{whole}");
    file.becomes(b"one\ntwo\n");
    continues(&file.input(), &cut, Err("has been continued since"));
    continues(
        &file.input(),
        &whole,
        Err("shorter than it was: 8 bytes, and it had 13"),
    );
    file.becomes(b"");
    let empty = file.input().fingerprint().unwrap();
    file.becomes(b"one\n");
    continues(&file.input(), &empty, Ok(()));
}

#[test]
fn a_fingerprint_looks_at_both_ends() {
    let mut content = vec![b'x'; 3 << 20];
    *content.last_mut().unwrap() = b'\n';
    let file = Growing::new("a.txt", &content);
    let before = file.input().fingerprint().unwrap();
    let mut changed = |at: usize, expected: Result<(), &str>| {
        content[at] = b'y';
        file.becomes(&content);
        continues(&file.input(), &before, expected);
        content[at] = b'x';
    };
    changed(0, Err("the first 1,048,576 bytes"));
    changed(2 << 20, Err("bytes 2,097,153 to 3,145,728"));
    changed(3 << 19, Ok(()));
}
