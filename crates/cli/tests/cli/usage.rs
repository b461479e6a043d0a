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
    refused("run 0..1 --save null: --timeout 0", &["timeout must be "]);
    refused(
        "run 0..1 --save null: --timeout 30",
        &["such as 100ms, 30s or 5m"],
    );
    refused("run 0..1 --save null: -c some", &["a whole number or auto"]);
    refused(
        "run 0..1 --save null: --max-in-flight 0",
        &["max-in-flight must be between 1 and 65536, not 0"],
    );
    refused("run 0..1 --save null: --rate 50", &["such as 50/s"]);
    refused("run 0..1 --save lab:?fail=150%", &["fail", "probability"]);
    refused(
        "run 0..1 --save http://127.0.0.1:1/add --header nonsense",
        &["header", "NAME: VALUE"],
    );
    refused(
        "run 0..1 --save http://127.0.0.1:1/add --save-body xml",
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

#[test]
fn a_flag_that_would_do_nothing_is_refused() {
    for sink in ["file:out.jsonl", "sqlite:out.db", "null:"] {
        let not_http = |flag: &str, why: &str| {
            refused(&format!("run 0..1 --save {sink} {flag}"), &[why]);
        };
        not_http(
            "--responses r.jsonl",
            &format!("--responses keeps what an HTTP service answers; {sink} has none"),
        );
        not_http("--ok-status 404", "are about HTTP");
        not_http("--header A:b", "--header goes with an HTTP request");
        not_http("--save-body raw", "--save-body is that of an HTTP request");
        not_http("--ca-file ca.pem", "--ca-file says whom to trust");
    }
    for sink in ["http://127.0.0.1:1/?token=canary", "lab:"] {
        refused(
            &format!("run 0..1 --save {sink} --bulk 2"),
            &["--bulk", "takes one"],
        );
        let outcome = inflight(&format!("run 0..1 --save {sink} --append")).expect(2);
        assert!(outcome.stderr.contains("--append"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("canary"), "{}", outcome.stderr);
    }
    refused("run 0..1 --save null: --append", &["--append", "null:"]);
    refused(
        "run 0..1 --save null: --fetch-header A:b",
        &["--fetch-header", "--fetch URL"],
    );
    refused(
        "compare --save null: --save-body json",
        &["--save-body is that of an HTTP request"],
    );
    refused("run words.txt --save null: --field a", &["JSON lines"]);
    refused("run 0..1 --save nul: --append", &["null:"]);
}

#[test]
fn a_flag_that_does_something_is_taken() {
    inflight("run 0..1 --save lab: --header A:b --save-body json --bulk 1").expect(0);
    inflight("run 0..1 --save null: --fetch lab: --fetch-header A:b --bulk 2").expect(0);
}

#[test]
fn an_order_that_nothing_is_written_in_is_refused() {
    for sink in [
        "null:",
        "sqlite:a.db?table=t",
        "http://127.0.0.1:1/add",
        "lab:",
    ] {
        let shown = sink.split('?').next().unwrap();
        refused(
            &format!("run 0..1 --save {sink} --keep-order"),
            &[
                "--keep-order is that of the lines in file: or --responses",
                shown,
            ],
        );
    }
}
