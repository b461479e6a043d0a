//! Mistakes in rows, templates and the files that a job names: a sentence with the place, the nearest name and the way out, before
//! anything is sent; what only shows at an item is a dead letter.

use std::fs;
use std::path::Path;

use crate::support::{Outcome, get, inflight_in, lab};

/// A folder with these files, and a service that counts requests.
struct Bench {
    folder: tempfile::TempDir,
    address: String,
    _lab: crate::support::Running,
}

impl Bench {
    fn new(files: &[(&str, &[u8])]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let (lab, address) = lab("--rest");
        Bench {
            folder,
            address,
            _lab: lab,
        }
    }

    /// Runs a job; `URL` is the service, and files are those of the folder.
    #[track_caller]
    fn run(&self, line: &str) -> Outcome {
        let state = self.folder.path().join("state");
        let line = line.replace("URL", &format!("http://{}", self.address));
        let line = line.replace("DIR", &self.folder.path().display().to_string());
        inflight_in(&state, &format!("run {line}"), "")
    }

    /// Refused before anything is sent or kept, with these parts in what is said.
    #[track_caller]
    fn refused(&self, line: &str, parts: &[&str]) {
        let outcome = self.run(line).expect(2);
        for part in parts {
            assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
        }
        assert!(get(&self.address, "/stats").contains("\"received\":0"));
        assert!(!self.folder.path().join("out.csv").exists());
        assert_eq!(kept(&self.folder.path().join("state/inflight/jobs")), 0);
    }
}

/// Bytes in the journals below this folder.
fn kept(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let bytes = entries.map(|entry| {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => kept(&entry.path()),
            false => entry.metadata().unwrap().len(),
        }
    });
    bytes.sum()
}

#[test]
fn what_is_wrong_with_a_job_is_said_before_anything_is_sent() {
    let bench = Bench::new(&[
        ("in.csv", b"id,text\n1,a\n2,b\n"),
        (
            "body.json",
            b"{\n  \"id\": \"{id}\",\n  \"q\": \"{txt}\"\n}\n",
        ),
        ("broken.json", b"{\"a\": \"{id}\",}\n"),
        ("empty", b""),
    ]);
    let put = |rest: &str| format!("DIR/in.csv --save 'PUT URL/things/{{id}}' {rest}");
    let refused = |rest: &str, parts: &[&str]| bench.refused(&put(rest), parts);
    bench.refused(
        "DIR/in.csv --save 'PUT URL/things/{idd}'",
        &[
            "/things/{idd}: no field \"idd\" in ",
            "did you mean \"id\"?",
        ],
    );
    refused(
        "--save-body @DIR/body.json",
        &["body.json:3: no field \"txt\"", "did you mean \"text\"?"],
    );
    refused(
        "--save-body @DIR/broken.json",
        &["broken.json:1: not JSON: key must be a string (column 14)"],
    );
    refused(
        "--save-body '{\"a\": \"{id}\"'",
        &["body, line 1: not JSON"],
    );
    refused("--save-body @DIR/none.json", &["cannot read ", "none.json"]);
    refused(
        "--save-body jq:{a:$roww.id}",
        &["unknown variable at character 4", "did you mean `$row`?"],
    );
    refused(
        "--header 'X-Id: {idd}'",
        &["header X-Id", "did you mean \"id\"?"],
    );
    refused(
        "--header 'Authorization: Bearer file:DIR/none'",
        &["header Authorization: cannot read ", "none"],
    );
    refused(
        "--header 'Authorization: Bearer file:DIR/empty'",
        &["header Authorization: file:", "is empty"],
    );
    refused("--fail-if '.error |'", &["--fail-if: jq filter `.error |`"]);
    bench.refused(
        "DIR/in.csv --save file:DIR/out.csv --columns 'a=.x|lenth'",
        &["column `a`", "did you mean `length`?"],
    );
    bench.refused(
        "DIR/in.csv --save file:DIR/out.csv --columns idd",
        &["column `idd` is no field", "did you mean `id`?"],
    );
    bench.refused("DIR/none.csv --save null:", &["cannot read ", "none.csv"]);
    bench.refused("DIR/in.csv --save null: --retires 3", &["'--retries'"]);
}

#[test]
fn a_file_that_is_something_else_than_its_name_says_is_refused() {
    let wide: Vec<u8> = "id,text\n1,hello\n"
        .bytes()
        .flat_map(|byte| [byte, 0])
        .collect();
    let bench = Bench::new(&[
        ("twice.csv", b"id,id\n1,2\n"),
        ("wide.csv", &wide),
        ("array.jsonl", b"[\n{\"id\":1},\n{\"id\":2}\n]\n"),
        ("line.jsonl", b"[{\"id\":1},{\"id\":2}]\n"),
        ("array.txt", b"[{\"id\":1},{\"id\":2}]"),
        ("semicolons.csv", b"id;text\n1;a\n"),
        ("tabs.csv", b"id\ttext\n1\ta\n"),
        ("lines.csv", b"{\"id\":1}\n{\"id\":2}\n"),
    ]);
    let refused = |name: &str, parts: &[&str]| {
        bench.refused(&format!("DIR/{name} --save file:DIR/out.csv"), parts);
    };
    refused(
        "twice.csv",
        &["line 1: columns 1 and 2 are both named `id`"],
    );
    refused(
        "wide.csv",
        &["UTF-16 without a byte order mark; save it as UTF-8"],
    );
    refused("array.jsonl", &["JSON array", "add --format json"]);
    refused(
        "line.jsonl",
        &["its only line is a JSON array", "--format json "],
    );
    refused("array.txt", &["JSON array", "--format text"]);
    refused("semicolons.csv", &["no comma: `id;text`", "instead of `;`"]);
    refused("tabs.csv", &["no comma", "add --format tsv"]);
    refused("lines.csv", &["JSON lines", "add --format jsonl"]);
    // Whoever says so means it.
    for (name, format) in [
        ("line.jsonl", "jsonl"),
        ("semicolons.csv", "csv"),
        ("line.jsonl", "json"),
    ] {
        let line = format!("DIR/{name} --format {format} --save null: --no-journal");
        bench.run(&line).expect(0);
    }
}

#[test]
fn what_only_an_item_shows_makes_a_dead_letter_that_names_it() {
    let bench = Bench::new(&[
        (
            "rows.jsonl",
            b"{\"id\":1,\"t\":\"x\"}\n{\"id\":2}\n{\"id\":null,\"t\":\"y\"}\n{\"id\":\"\",\"t\":\"z\"}\n{\"id\":5,\"t\":\"a\\r\\nX: b\"}\n",
        ),
        ("ragged.csv", b"id,text\n1,a\n2,b,c\n3\n"),
    ]);
    let outcome = bench
        .run("DIR/rows.jsonl --save 'PUT URL/things/{id}' --header 'X-T: {t}' --save-body '{\"t\":\"{t}\"}'")
        .expect(3);
    for part in [
        "dead: item 1, save: field `t` is missing",
        "dead: item 2, save: field `id` is null or missing, and the address needs it",
        "dead: item 3, save: field `id` is empty, and the address needs it",
        "dead: item 4, save: field `t` holds a line break",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    assert_eq!(outcome.counts(), "saved=1 dead=4 in_doubt=0 left=0");
    let things = get(&bench.address, "/things");
    assert_eq!(things.lines().count(), 1, "{things}");
    let outcome = bench
        .run("DIR/ragged.csv --save file:DIR/ragged.out")
        .expect(3);
    for part in [
        "ragged.csv line 3: 3 values where the header has 2 names; put a value that holds the separator in double quotes",
        "ragged.csv line 4: 1 value where the header has 2 names",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let outcome = bench
        .run("DIR/rows.jsonl --compute 'jq:.t|ascii_upcase' --save null:")
        .expect(3);
    assert!(
        outcome
            .stderr
            .contains("dead: item 1, compute: jq filter `.t|ascii_upcase`: "),
        "{}",
        outcome.stderr
    );
}
