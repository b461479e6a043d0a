//! What is wrong on the command line is said in a sentence with code 2, and nothing is sent.

use crate::support::inflight;

/// Refused with code 2; these parts are in what is said, and nothing is on standard output.
#[track_caller]
fn refused(line: &str, parts: &[&str]) {
    let outcome = inflight(line).expect(2);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    for part in parts {
        assert!(
            outcome.stderr.contains(part),
            "{part} is not in {}",
            outcome.stderr
        );
    }
    assert!(!outcome.stderr.contains("saved="), "{}", outcome.stderr);
}

#[test]
fn the_nearest_valid_name_is_offered() {
    refused("run 0..1 --save nul:", &["nul:", "null:"]);
    refused("run 0..1 --save sqlit:a.db?table=t", &["sqlite:"]);
    refused(
        "run 0..1 --save null: --compute bcypt:8",
        &["--compute", "bcrypt:COST"],
    );
    refused("run 0..1 --save null: --strategy paralel", &["'parallel'"]);
    refused("compare --strategies async,paralel", &["'parallel'"]);
    refused("run 0..1 --save null: --in-flite 3", &["'--in-flight'"]);
    refused("run 0..1 --save lab:?capcity=3", &["--save", "capacity"]);
    refused("runn 0..1", &["'run'"]);
}

#[test]
fn a_value_that_cannot_be_is_refused() {
    refused(
        "run 0..1 --save null: -j 0",
        &["jobs must be between 1 and 1024, not 0"],
    );
    refused(
        "run 0..1 --save null: -c 0",
        &["in-flight must be between 1 and 65536, not 0"],
    );
    refused(
        "run 0..1 --save null: -b 0",
        &["batch must be between 1 and 1000000, not 0"],
    );
    refused(
        "run 0..1 --save null: --bulk 0",
        &["bulk must be between 1 and"],
    );
    refused(
        "run 0..1 --save null: --timeout 0",
        &["timeout must be "],
    );
    refused(
        "run 0..1 --save null: --timeout 30",
        &["such as 100ms, 30s or 5m"],
    );
    refused(
        "run 0..1 --save null: -c auto",
        &["auto is not available yet"],
    );
    refused("run 0..1 --save null: --rate 50", &["such as 50/s"]);
    refused("run 0..1 --save lab:?fail=150%", &["fail", "probability"]);
    refused(
        "run 0..1 --save http://127.0.0.1:1/add --header nonsense",
        &["header", "NAME: VALUE"],
    );
    refused(
        "run 0..1 --save http://127.0.0.1:1/add --body xml",
        &["body", "xml"],
    );
    refused(
        "run 0..1 --save null: --json /no/such/folder/x.json",
        &["/no/such/folder/x.json"],
    );
    refused("lab --listen 192.0.2.1:80", &["192.0.2.1:80"]);
    refused("run", &["INPUT", "--save"]);
}

#[test]
fn input_that_is_not_there_is_refused() {
    refused("run no-such-file.txt --save null:", &["no-such-file.txt"]);
    refused("run 0..1 --save null: --field name", &["range"]);
}

#[test]
fn compare_repeats_only_what_it_may() {
    refused("compare --save http://127.0.0.1:1/add", &["--repeat-saves"]);
    refused("compare - --save null:", &["standard input"]);
}
